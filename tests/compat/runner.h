#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/compat/differences.h"
#include "tests/compat/script.h"
#include "tests/compat/side.h"

namespace runnel::compat {

// The first place where the two servers, or our server and what is expected of it, part.
struct Mismatch {
  size_t step = 0;      // index in the script of the step after which it was seen
  std::string command;  // the name of the command that it is about; empty if it is not known
  std::string text;     // for people: what each of them answered
};

// Runs scripts on our server and on the oracle in step, and compares all that comes back.
class Runner {
 public:
  // `theirs` may be null: then only expectations are checked, and a reply that is an error without
  // being expected is a mismatch. All three must outlive the runner.
  Runner(Side* ours, Side* theirs, const Differences* differences)
      : ours_(ours), theirs_(theirs), differences_(differences) {}

  // Both sides are servers of the same kind: expectations of ours do not apply, and one is checked
  // to be needed, that is to be something else than what the oracle answers.
  void set_self_check(bool on) { self_check_ = on; }

  // Prints every step and what came back to standard output (COMPAT_TRACE=1).
  void set_trace(bool on) { trace_ = on; }

  // Empties both servers and ends all connections. False if one of the servers is gone.
  bool Reset();

  // Runs the script from the state in which the servers are.
  std::optional<Mismatch> Run(const Script& script, int protocol);

  // Compares all keys of the first two databases, with their values and what else belongs to them.
  std::optional<Mismatch> CompareKeyspaces();

 private:
  std::optional<Mismatch> RunPipeline(const Script& pipeline, size_t first, int protocol);
  // Runs a step with @mirror, on ours first. Takes what only that step's connection received out of
  // the frames, because it cannot be compared.
  std::optional<Mismatch> RunMirrored(const Step& step, std::vector<Frame>* ours,
                                      std::vector<Frame>* theirs);
  void Trace(const Script& pipeline, const std::vector<Frame>& ours,
             const std::vector<Frame>& theirs) const;
  std::optional<Mismatch> CompareConnection(char name, const Script& pipeline, size_t first,
                                            const std::vector<Frame>& ours,
                                            const std::vector<Frame>& theirs) const;
  std::optional<Mismatch> CheckExpectation(const Expectation& expectation, const Step& step,
                                           const std::vector<Frame>& ours,
                                           const std::vector<Frame>& theirs, int protocol) const;
  // The frames in the order in which they are compared, where differences.txt allows several.
  std::vector<Frame> Arranged(std::vector<Frame> frames) const;
  bool SameFrames(const Script& pipeline, const std::vector<Frame>& ours,
                  const std::vector<Frame>& theirs, size_t* differing) const;
  bool SameReply(const Step& step, const Frame& ours, const Frame& theirs) const;
  std::optional<Mismatch> CompareKey(const std::string& key);
  std::optional<Mismatch> CompareControl(const Argv& argv, bool unordered = false);

  Side* const ours_;
  Side* const theirs_;
  const Differences* const differences_;
  bool self_check_ = false;
  bool trace_ = false;
};

}  // namespace runnel::compat
