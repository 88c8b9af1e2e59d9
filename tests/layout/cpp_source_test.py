"""How a C++ source is read: what counts as code, as an include and as a function."""

import unittest

from cpp_source import Function, Unbalanced, code_of, functions_of, includes_of


def lengths(text):
    return {function.name: function.length for function in functions_of(text)}


class Code(unittest.TestCase):
    def test_comments_and_literals_are_blanked_in_place(self):
        text = "int a = 1;  // rand()\nauto s = \"time(0)\"; /* x\ny */ char c = '{';\n"
        code = code_of(text)
        self.assertEqual(len(code), len(text))
        self.assertEqual(code.count("\n"), text.count("\n"))
        for gone in ("rand", "time", "y", "{"):
            self.assertNotIn(gone, code)
        self.assertIn("int a = 1;", code)
        self.assertIn("auto s =", code)

    def test_raw_strings_end_at_their_own_fence(self):
        code = code_of('f(R"json({"a": "}")"} )" )json"); g();\n')
        self.assertEqual(code.split(), ["f(", ");", "g();"])

    def test_escaped_quotes_do_not_end_a_literal(self):
        self.assertEqual(code_of(r'f("a\"b{", ' "'\\'', h);").split(), ["f(", ",", ",", "h);"])

    def test_digit_separators_are_not_characters(self):
        self.assertEqual(
            code_of("int a = 1'000'000; f('x');").split(), "int a = 1'000'000; f( );".split()
        )

    def test_a_comment_continued_by_a_backslash(self):
        self.assertEqual(code_of("// one \\\nrand();\nreal();").strip(), "real();")


class Includes(unittest.TestCase):
    def test_both_kinds_with_their_lines(self):
        found = includes_of('#include <uv.h>\n\n# include "quorate/a.h"  // why\n')
        self.assertEqual(
            [(i.line, i.name, i.quoted) for i in found],
            [(1, "uv.h", False), (3, "quorate/a.h", True)],
        )

    def test_not_in_comments_or_strings(self):
        self.assertEqual(
            includes_of(
                '// #include <uv.h>\n/*\n#include <uv.h>\n*/\nauto s = R"(\n#include <uv.h>\n)";\n'
            ),
            [],
        )


class Functions(unittest.TestCase):
    def test_length_is_from_signature_to_closing_brace(self):
        text = "int x;\n\nint f(int a,\n      int b) {\n  return a + b;\n}\n"
        self.assertEqual(functions_of(text), [Function("f", 3, 4)])

    def test_namespaces_and_classes_are_not_functions(self):
        text = """
namespace a::b {
namespace {
class C final : public D<int()> {
 public:
  C() = default;
  int f() const noexcept { return 1; }
 private:
  int x_{0};
};
}
}
extern "C" {
int g() { return 2; }
}
"""
        self.assertEqual(lengths(text), {"f": 1, "g": 1})

    def test_types_with_attributes_templates_and_alignment(self):
        text = """
template <class T = int>
struct alignas(64) A { void a() {} };
class [[nodiscard]] B { void b() {} };
template <class T>
struct H<void(T)> { void h() {} };
template <class T>
  requires Small<T>
struct S { void s() {} };
enum class E : int { one, two };
"""
        self.assertEqual(sorted(lengths(text)), ["a", "b", "h", "s"])

    def test_a_function_that_returns_a_struct(self):
        self.assertEqual(lengths("struct stat look(int fd) {\n  return {};\n}\n"), {"look": 3})

    def test_constructors_with_brace_initialisers(self):
        text = """
A::A(int x)
    : Base<int>{x},
      a_{x},
      b_(x) {
  go();
}
B::B() : c_{1} {}
"""
        self.assertEqual(lengths(text), {"A": 6, "B": 1})

    def test_trailing_return_types_requirements_and_operators(self):
        text = (
            "auto f() -> std::vector<int> {\n}\n"
            "template <class T>\nvoid g(T t) requires requires(T u) { u.x(); } {\n}\n"
            "bool operator()(int a) const {\n}\nbool operator==(const X& o) const {\n}\n"
            "template <class T>\nconcept Sized = requires(T t) { t.size(); };\n"
        )
        self.assertEqual(lengths(text), {"f": 2, "g": 3, "operator()": 2, "operator=": 2})

    def test_default_arguments_with_braces(self):
        self.assertEqual(lengths("void f(Options o = {}, int n = 2) {\n\n}\n"), {"f": 3})

    def test_variables_are_not_functions(self):
        text = """
const int kTable[] = {1, 2};
std::function<void()> callback_{nullptr};
auto x = make({1});
"""
        self.assertEqual(functions_of(text), [])

    def test_lambdas_that_initialise_a_variable_are_measured(self):
        text = """const auto kRun = [](int a) -> int {
  return a;
};
const Entry kAll[] = {
  {1, [] {
    go();
  }},
};
"""
        self.assertEqual(functions_of(text), [Function("lambda", 1, 3), Function("lambda", 5, 3)])

    def test_lambdas_inside_a_function_belong_to_it(self):
        self.assertEqual(lengths("void f() {\n  run([] {\n  });\n}\n"), {"f": 4})

    def test_gtest_cases_are_functions(self):
        self.assertEqual(lengths("TEST(Suite, Case) {\n  EXPECT_TRUE(true);\n}\n"), {"TEST": 3})

    def test_braces_in_literals_and_macros_do_not_count(self):
        text = '#define OPEN {\nvoid f() {\n  g(\'{\', "}", R"({{)");  // }\n}\nvoid h() {}\n'
        self.assertEqual(lengths(text), {"f": 3, "h": 1})

    def test_unbalanced_braces_are_reported(self):
        for text in ("void f() {\n", "void f() {}\n}\n", "int a[] = {1, (2};\n", "namespace a {\n"):
            with self.subTest(text), self.assertRaises(Unbalanced):
                functions_of(text)


if __name__ == "__main__":
    unittest.main()
