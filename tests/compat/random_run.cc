#include "tests/compat/random_run.h"

#include <fmt/format.h>

#include <optional>

#include "tests/compat/generator/generator.h"
#include "tests/compat/runner.h"
#include "tests/compat/shrink.h"
#include "tests/compat/side.h"

namespace runnel::compat {
namespace {

constexpr size_t kEpisodeCommands = 1500;
constexpr int kPipelinesBetweenKeyspaces = 40;
constexpr int kShrinkTrials = 500;
// While a failure is replayed; what comes at all comes much sooner.
constexpr std::chrono::seconds kReplayPatience{3};

// Plays one episode after the other.
class RandomRun {
 public:
  RandomRun(const RandomOptions& options, Servers* servers, const Differences& differences)
      : options_(options), servers_(servers), differences_(differences) {
    differences_.set_random(true);
  }

  RandomResult Play() {
    RandomResult result;
    for (uint64_t seed = options_.seed; result.commands < options_.commands; ++seed) {
      std::optional<Mismatch> mismatch = PlayEpisode(seed);
      result.commands += script_.size();
      if (!mismatch.has_value()) continue;
      result.failures.push_back(Describe(seed, *mismatch));
      if (result.failures.size() == options_.failures) break;
    }
    return result;
  }

 private:
  // The two sides and what runs scripts on them, for one protocol.
  struct Stage {
    Stage(Servers* servers, int protocol, const Differences* differences)
        : ours(servers->ours.get(), protocol),
          theirs(servers->theirs.get(), protocol),
          runner(&ours, &theirs, differences) {}
    Side ours;
    Side theirs;
    Runner runner;
  };

  // A stage with empty servers; starts a server that has ended. Null if that fails.
  std::unique_ptr<Stage> SetStage() {
    std::string error;
    for (int tries = 0; tries < 2; ++tries) {
      if (!servers_->Revive(&error)) return nullptr;
      auto stage = std::make_unique<Stage>(servers_, options_.protocol, &differences_);
      if (options_.tamper) stage->ours.set_tamper(options_.tamper);
      stage->runner.set_trace(Trace());
      if (stage->runner.Reset()) return stage;
    }
    return nullptr;
  }

  std::optional<Mismatch> PlayEpisode(uint64_t seed) {
    script_.clear();
    const std::unique_ptr<Stage> stage = SetStage();
    if (stage == nullptr) return Mismatch{0, "", "  a server does not answer"};
    Generator generator(seed, options_.protocol);
    Script next = generator.Opening();
    for (int pipelines = 1; script_.size() < kEpisodeCommands; ++pipelines) {
      script_.insert(script_.end(), next.begin(), next.end());
      std::optional<Mismatch> mismatch = stage->runner.Run(next, options_.protocol);
      if (!mismatch.has_value() && pipelines % kPipelinesBetweenKeyspaces == 0) {
        mismatch = stage->runner.CompareKeyspaces();
      }
      if (mismatch.has_value()) return mismatch;
      next = generator.Next(stage->theirs);
    }
    return stage->runner.CompareKeyspaces();
  }

  std::optional<Mismatch> Replay(const Script& script) {
    const std::unique_ptr<Stage> stage = SetStage();
    if (stage == nullptr) return std::nullopt;
    stage->ours.set_patience(kReplayPatience);
    stage->theirs.set_patience(kReplayPatience);
    std::optional<Mismatch> mismatch = stage->runner.Run(script, options_.protocol);
    return mismatch.has_value() ? mismatch : stage->runner.CompareKeyspaces();
  }

  std::string Describe(uint64_t seed, const Mismatch& mismatch) {
    // Another difference may hide in the same episode; the shortened script keeps to this one.
    Mismatch last = mismatch;
    const auto fails = [&](const Script& script) {
      const std::optional<Mismatch> again = Replay(script);
      if (!again.has_value() || again->command != mismatch.command) return false;
      last = *again;
      return true;
    };
    const bool again = fails(script_);
    const Script shrunk = again ? Shrink(script_, fails, kShrinkTrials) : script_;
    const size_t shown = shrunk.size() > 60 ? shrunk.size() - 60 : 0;
    const Script tail(shrunk.begin() + static_cast<ptrdiff_t>(shown), shrunk.end());
    return fmt::format(
        "RESP{}, COMPAT_SEED={} COMPAT_COMMANDS=1 repeats the episode\n{}\n{}\n== random {}\n{}",
        options_.protocol, seed, last.text,
        again ? "shortened script:" : "not seen again when replayed; the end of the episode:", seed,
        ToText(tail));
  }

  const RandomOptions options_;
  Servers* const servers_;
  Differences differences_;
  Script script_;  // of the current episode, as far as it was played
};

}  // namespace

RandomResult RunRandom(const RandomOptions& options, Servers* servers,
                       const Differences& differences) {
  return RandomRun(options, servers, differences).Play();
}

}  // namespace runnel::compat
