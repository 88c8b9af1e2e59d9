"""check.py ROOT: says where the tree under ROOT breaks a rule of rules.py; exits 1 if anywhere."""

import sys

import rules


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    tree = rules.Tree.read(arguments[0])
    found = rules.violations(tree)
    for violation in found:
        print(violation)
    sources = sum(1 for _ in tree.cpp())
    print(f"{len(tree.files)} files, {sources} of them C++: {len(found)} violations")
    # A tree without C++ is a wrong ROOT, not a clean one.
    return 1 if found or sources == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
