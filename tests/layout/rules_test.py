"""Each rule against a small tree that breaks it, and one that only looks as if it did."""

import os
import tempfile
import unittest

import rules

HEADER = "// What it is for.\n#pragma once\n"


def lines(count, line="int x;"):
    return f"{line}\n" * count


class RuleTest(unittest.TestCase):
    def found(self, rule, files):
        return [(violation.path, violation.line) for violation in rule(rules.Tree(files))]

    def assert_breaks(self, rule, path, text, line=1, others=None):
        files = {**(others or {}), path: text}
        self.assertIn(
            (path, line),
            self.found(rule, files),
            f"{path!r} with {text[:60]!r} should break the rule",
        )

    def assert_keeps(self, rule, path, text, others=None):
        files = {**(others or {}), path: text}
        self.assertEqual(self.found(rule, files), [])


class Places(RuleTest):
    def test_cpp_outside_its_room(self):
        for path in (
            "src/main.cc",
            "src/utilities/a.cc",
            "src/redis/strings/get.cc",
            "include/quorate/a.h",
            "include/redis/a.h",
            "tests/a_test.cc",
            "tests/other/a_test.cc",
            "scripts/a.cc",
            "src/redis/Get.cc",
        ):
            with self.subTest(path):
                self.assert_breaks(rules.places, path, "")

    def test_other_endings(self):
        for path in ("src/redis/a.cpp", "include/quorate/redis/a.hpp", "redis-compat/a.c"):
            with self.subTest(path):
                self.assert_breaks(rules.places, path, "")

    def test_a_test_without_the_name_of_one(self):
        self.assert_breaks(rules.places, "tests/redis/get.cc", "")

    def test_right_places(self):
        for path in (
            "src/redis/get.cc",
            "src/redis/get.h",
            "include/quorate/redis/get.h",
            "tests/redis/get_test.cc",
            "tests/sim/disk.cc",
            "tests/fuzz/resp_fuzzer.cc",
            "redis-compat/clients/a.cc",
            "src/server/main.cc",
        ):
            with self.subTest(path):
                self.assert_keeps(rules.places, path, "")

    def test_a_tests_own_support_with_its_header(self):
        self.assert_keeps(
            rules.places, "tests/redis/client.cc", "", {"tests/redis/client.h": HEADER}
        )


class Names(RuleTest):
    def test_vague_names(self):
        for path in (
            "src/redis/utils.cc",
            "src/redis/string_util.h",
            "tests/redis/common.h",
            "scripts/misc",
            "src/redis/key_manager.cc",
            "redis-compat/helpers/a.py",
            "tests/redis/test_helper.h",
        ):
            with self.subTest(path):
                self.assert_breaks(rules.names, path, "")

    def test_names_that_contain_such_letters(self):
        for path in (
            "src/redis/command.cc",
            "src/redis/utility_cost.cc",
            "src/redis/commons_license.cc",
        ):
            with self.subTest(path):
                self.assert_keeps(rules.names, path, "")


class Includes(RuleTest):
    TREE = {
        **{f"include/quorate/{room}/api.h": HEADER for room in rules.DIRECTLY_BELOW},
        **{f"src/{room}/inner.h": HEADER for room in rules.DIRECTLY_BELOW},
        "tests/sim/disk.h": HEADER,
    }
    BELOW = {
        "server": {"redis", "coordinator", "repair", "storage", "cluster", "object", "runtime"},
        "redis": {"coordinator", "repair", "storage", "cluster", "object", "runtime"},
        "coordinator": {"repair", "storage", "cluster", "object", "runtime"},
        "repair": {"storage", "cluster", "object", "runtime"},
        "storage": {"object", "runtime"},
        "cluster": {"object", "runtime"},
        "object": {"runtime"},
        "runtime": set(),
    }

    def test_direction_between_every_two_rooms(self):
        for own, below in self.BELOW.items():
            for other in self.BELOW:
                text = f'\n#include "quorate/{other}/api.h"\n'
                for path in (
                    f"src/{own}/a.cc",
                    f"include/quorate/{own}/a.h",
                    f"tests/{own}/a_test.cc",
                ):
                    with self.subTest(path=path, other=other):
                        if other == own or other in below:
                            self.assert_keeps(rules.includes, path, text, self.TREE)
                        else:
                            self.assert_breaks(rules.includes, path, text, 2, self.TREE)

    def test_another_rooms_private_header(self):
        for text in ('#include "object/inner.h"\n', '#include "../object/inner.h"\n'):
            self.assert_breaks(rules.includes, "src/storage/a.cc", text, 1, self.TREE)
        self.assert_breaks(
            rules.includes, "tests/storage/a_test.cc", '#include "object/inner.h"\n', 1, self.TREE
        )
        self.assert_keeps(
            rules.includes, "src/object/a.cc", '#include "object/inner.h"\n', self.TREE
        )
        self.assert_keeps(rules.includes, "src/object/a.cc", '#include "inner.h"\n', self.TREE)
        self.assert_keeps(
            rules.includes, "tests/object/a_test.cc", '#include "object/inner.h"\n', self.TREE
        )

    def test_a_public_header_includes_a_private_one(self):
        self.assert_breaks(
            rules.includes,
            "include/quorate/object/a.h",
            '#include "object/inner.h"\n',
            1,
            self.TREE,
        )

    def test_production_code_includes_a_test(self):
        self.assert_breaks(
            rules.includes, "src/object/a.cc", '#include "sim/disk.h"\n', 1, self.TREE
        )
        self.assert_keeps(
            rules.includes, "tests/object/a_test.cc", '#include "sim/disk.h"\n', self.TREE
        )

    def test_the_simulator_may_reach_everything(self):
        self.assert_keeps(
            rules.includes, "tests/sim/a.cc", '#include "server/inner.h"\n', self.TREE
        )

    def test_a_quoted_header_that_is_not_ours(self):
        self.assert_breaks(rules.includes, "src/runtime/a.cc", '#include "uv.h"\n')
        self.assert_breaks(rules.includes, "src/runtime/a.cc", '#include "quorate/object/gone.h"\n')

    def test_reserved_headers(self):
        for header, owner in (
            ("uv.h", "runtime"),
            ("openssl/evp.h", "runtime"),
            ("lmdb.h", "storage"),
            ("sys/socket.h", "runtime"),
            ("netinet/in.h", "runtime"),
            ("sys/random.h", "runtime"),
        ):
            for room in rules.DIRECTLY_BELOW:
                for path in (f"src/{room}/a.cc", f"include/quorate/{room}/a.h"):
                    with self.subTest(header=header, path=path):
                        check = self.assert_keeps if room == owner else self.assert_breaks
                        check(rules.includes, path, f"#include <{header}>\n")

    def test_an_include_in_a_comment_is_none(self):
        self.assert_keeps(rules.includes, "src/object/a.cc", "// #include <uv.h>\n")


class SystemCalls(RuleTest):
    CALLS = (
        "std::chrono::steady_clock::now()",
        "using C = std::chrono::system_clock;",
        "high_resolution_clock::now()",
        "time(nullptr)",
        "std::time(NULL)",
        "::time(0)",
        "x = time(&now)",
        "gettimeofday(&tv, nullptr)",
        "clock_gettime(CLOCK_REALTIME, &ts)",
        "std::random_device device;",
        "x = rand();",
        "std::rand()",
        "x = 3 * rand()",
        "return rand()",
        "srand(1)",
        "random()",
        "getrandom(p, 8, 0)",
        "::socket(a, b, c)",
        "socket(AF_INET, SOCK_STREAM, 0)",
        "::connect(fd, a, b)",
        "::send(fd, p, n, 0)",
        "getaddrinfo(a, b, c, d)",
        "std::this_thread::sleep_for(x)",
        "usleep(10)",
    )
    HARMLESS = (
        "clock.time()",
        "clock->time(nullptr)",
        "Clock::time(0)",
        "Hlc time(Source source);",
        "const auto time = 0;",
        "random.below(8)",
        "source.rand()",
        "std::uint64_t rand() const;",
        "// time(nullptr)",
        'log("rand()");',
        "peer.send(frame)",
        "transport->connect(peer)",
        "Peer::connect(node)",
        "expire_time(0)",
        "std::mt19937 engine;",
        "std::chrono::milliseconds(5)",
        "stream.socket()",
        "at_random()",
        "Random random();",
        "runtime::Random& random() { return random_; }",
        "Ref<Random> random();",
    )

    def test_above_runtime(self):
        for call in self.CALLS:
            for path in ("src/object/a.cc", "include/quorate/server/a.h", "src/redis/a.h"):
                with self.subTest(call=call, path=path):
                    self.assert_breaks(rules.system_calls, path, f"\n  {call};\n", 2)

    def test_runtime_and_tests_may(self):
        for call in self.CALLS:
            for path in (
                "src/runtime/a.cc",
                "include/quorate/runtime/a.h",
                "tests/object/a_test.cc",
            ):
                with self.subTest(call=call, path=path):
                    self.assert_keeps(rules.system_calls, path, f"{call};\n")

    def test_names_that_only_look_alike(self):
        for call in self.HARMLESS:
            with self.subTest(call):
                self.assert_keeps(rules.system_calls, "src/object/a.cc", f"  {call}\n")


class Lengths(RuleTest):
    def test_a_file_over_the_limit(self):
        for path in (
            "src/redis/a.cc",
            "include/quorate/redis/a.h",
            "tests/redis/a_test.cc",
            "tests/layout/a.py",
            "redis-compat/a.py",
            "cmake/A.cmake",
        ):
            with self.subTest(path):
                self.assert_breaks(rules.file_length, path, lines(601), 601)
                self.assert_keeps(rules.file_length, path, lines(600))

    def test_a_script_without_an_ending(self):
        self.assert_breaks(rules.file_length, "scripts/run", "#!/bin/sh\n" + lines(600, ":"), 601)

    def test_data_may_be_long(self):
        self.assert_keeps(rules.file_length, "redis-compat/replies.json", lines(601, "{}"))

    def test_a_function_over_the_limit(self):
        for path in ("src/redis/a.cc", "include/quorate/redis/a.h", "tests/redis/a_test.cc"):
            with self.subTest(path):
                self.assert_breaks(
                    rules.function_length, path, "\nvoid f() {\n" + lines(69) + "}\n", 2
                )
                self.assert_keeps(rules.function_length, path, "\nvoid f() {\n" + lines(68) + "}\n")

    def test_a_method_over_the_limit(self):
        text = "namespace a {\nclass B {\n void f() {\n" + lines(69) + " }\n};\n}\n"
        self.assert_breaks(rules.function_length, "src/redis/a.cc", text, 3)

    def test_a_long_table_is_no_function(self):
        self.assert_keeps(
            rules.function_length,
            "src/redis/a.cc",
            "const int kAll[] = {\n" + lines(200, "1,") + "};\n",
        )

    def test_a_file_that_cannot_be_measured(self):
        self.assert_breaks(rules.function_length, "src/redis/a.cc", "void f() {\n")


class Texts(RuleTest):
    WORDS = ("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")

    def test_unfinished_work(self):
        for word in self.WORDS:
            for path in ("src/redis/a.cc", "README.md", "scripts/run", "tests/redis/a_test.cc"):
                with self.subTest(word=word, path=path):
                    self.assert_breaks(rules.unfinished, path, f"a\n// {word}: later\n", 2)

    def test_words_that_contain_them(self):
        self.assert_keeps(
            rules.unfinished, "scripts/run", "mktemp -d a." + "X" * 6 + "\n// hackney\n"
        )

    def test_a_public_header_without_its_comment(self):
        self.assert_breaks(
            rules.header_shape, "include/quorate/redis/a.h", "#pragma once\n// Late.\n"
        )
        self.assert_keeps(rules.header_shape, "include/quorate/redis/a.h", HEADER)
        self.assert_keeps(rules.header_shape, "src/redis/a.h", "#pragma once\n")

    def test_a_header_without_its_guard(self):
        self.assert_breaks(rules.header_shape, "src/redis/a.h", "// Fine.\nint x;\n")


class WholeTree(unittest.TestCase):
    def read(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return rules.violations(rules.Tree.read(root))

    def test_every_rule_sees_the_files_on_disk(self):
        long_function = "void f() {\n" + lines(599) + "}\n"
        found = self.read(
            {
                "src/object/utils.h": '#include "quorate/redis/a.h"\n' + long_function,
                "src/a.cc": "",
                "src/object/b.cc": "x = rand();  // " + Texts.WORDS[0] + "\n",
                "include/quorate/redis/a.h": HEADER,
            }
        )
        for fragment in (
            "no room's place",
            "says nothing",
            "object does not know redis",
            "random device",
            "602 lines",
            "f has 601 lines",
            "unfinished work",
            "#pragma once",
        ):
            self.assertTrue(
                any(fragment in violation.message for violation in found), (fragment, found)
            )

    def test_a_clean_tree_has_no_violation(self):
        self.assertEqual(
            self.read(
                {
                    "include/quorate/object/a.h": HEADER,
                    "src/object/a.cc": '#include "quorate/object/a.h"\n\nint f() { return 1; }\n',
                }
            ),
            [],
        )

    def test_what_others_install_or_build_is_not_read(self):
        self.assertEqual(
            self.read(
                {
                    "redis-compat/node_modules/x/utils.js": lines(700),
                    "tests/fuzz/corpus/resp/a.py": lines(700),
                }
            ),
            [],
        )


if __name__ == "__main__":
    unittest.main()
