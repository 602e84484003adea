// runnel-check: looks at the files of a server, with the server's own eyes. README.md tells more.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <limits>

#include "env/posix/posix_disk.h"
#include "utils/check_journal.h"

namespace runnel::check {
namespace {

struct Options {
  JournalOptions journal;
  std::optional<Position> cut;
  bool yes = false;
  bool full = false;
};

// A line that is written over, on a terminal only.
class ProgressLine {
 public:
  explicit ProgressLine(bool on) : on_(on) {}
  ~ProgressLine() {
    if (percent_ >= 0) std::fputs("\r\x1b[K", stderr);
  }
  void Show(double share) {
    const int percent = static_cast<int>(share * 100);
    if (!on_ || percent == percent_) return;
    percent_ = percent;
    fmt::print(stderr, "\rchecked {} %", percent);
  }

 private:
  const bool on_;
  int percent_ = -1;
};

// Exit codes: 0 whole, 1 not whole, 2 it could not be looked at or done.
int Run(const Options& options) {
  Disk& disk = SystemDisk();
  if (options.cut) {
    const Status cut =
        CutJournal(disk, options.journal.directory, *options.cut, options.yes, std::cout);
    std::cout.flush();
    if (cut.ok()) return 0;
    fmt::print(stderr, "runnel-check: {}\n", cut.message());
    return 2;
  }
  constexpr size_t kShortBytes = 256;
  ProgressLine progress(!options.journal.dump && isatty(STDERR_FILENO) == 1);
  const auto whole = CheckJournal(
      disk, options.journal,
      HexPrinter(options.full ? std::numeric_limits<size_t>::max() : kShortBytes),
      [&](double share) { progress.Show(share); }, std::cout);
  std::cout.flush();
  if (whole.ok()) return *whole ? 0 : 1;
  fmt::print(stderr, "runnel-check: {}\n", whole.message());
  return 2;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Shows, verifies and cuts journals. Changes nothing unless --cut and --yes are given.",
      "runnel-check");
  Options options;
  app.add_option("directory", options.journal.directory,
                 "the directory of the segments: <dir>/journal")
      ->required();
  app.add_option("--from", options.journal.from, "begin at this position, where a frame begins");
  app.add_flag("--dump", options.journal.dump, "show each frame");
  app.add_flag("--full", options.full, "with --dump: all bytes of each frame, not only the first");
  CLI::Option* cut = app.add_option("--cut", options.cut,
                                    "drop everything from this position on, where a frame begins");
  app.add_flag("--yes", options.yes, "do it")->needs(cut);
  CLI11_PARSE(app, argc, argv);
  return Run(options);
}

}  // namespace
}  // namespace runnel::check

int main(int argc, char** argv) {
  return runnel::check::Main(argc, argv);
}
