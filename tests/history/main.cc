// history_check FILE: judges a history in the text form of history.h.
//
// Prints what is wrong and a line of counts. Exits 0 if the history is linearizable, 1 if it is
// not, 2 if it cannot be read, 3 if some key is undecided and none is violated.
#include <cstdio>
#include <fstream>

#include "history/history.h"
#include "history/linearizability.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: history_check FILE\n", stderr);
    return 2;
  }
  std::ifstream file(argv[1]);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be opened\n", argv[1]);
    return 2;
  }
  const auto history = quorate::history::read_history(file);
  if (!history) {
    std::fprintf(stderr, "%s: %s\n", argv[1], history.error().message.c_str());
    return 2;
  }
  const auto report = quorate::history::check_linearizability(*history);
  std::fputs(report.text().c_str(), stdout);
  if (!report.violations.empty()) return 1;
  return report.undecided.empty() ? 0 : 3;
}
