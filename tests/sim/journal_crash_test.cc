// The journal against a model of itself: a seeded workload on the model disk, in which the process
// ends inside any call of the disk, by kill -9 or with the power; then it begins again, several
// times over. After each start:
// - nothing is missing that was durable (after kill -9: that was written);
// - what is recovered is what was appended, frame by frame from the first to some last: nothing
// twice, nothing by half,
//   nothing of what an earlier recovery had cut;
// - recovery never stops: a crash is not damage.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone.

#include <gtest/gtest.h>

#include <optional>

#include "base/log.h"
#include "journal/journal.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::journal {
namespace {

using sim::Crash;

constexpr uint64_t kDefaultSeeds = 3000;
constexpr uint64_t kLives = 5;
constexpr uint64_t kStepsPerLife = 150;

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed), disk_(seed ^ 0x5eed) {}

  // Stops early when something was wrong.
  void Run() {
    for (uint64_t life = 0; life < kLives && !::testing::Test::HasFailure(); life++) {
      if (Chance(80)) disk_.StopAt(disk_.calls() + 1 + random_.Below(Chance(30) ? 20 : 400));
      if (Start()) Live();
      End();
    }
    // Once more without a crash: the journal must be usable to its end.
    if (::testing::Test::HasFailure()) return;
    EXPECT_TRUE(Start()) << "without any fault";
  }

 private:
  struct Appended {
    Position base;
    Position end;
    uint64_t epoch;
    std::string payload;
  };

  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }

  // Whether the journal is open. What it recovered has been compared.
  bool Start() {
    std::vector<Appended> recovered;
    auto opened = Journal::Open(
        &disk_, &log_thread_, &helper_, {"j", 2000, Policy(), snapshot_}, [&](const Frame& frame) {
          recovered.push_back({frame.base, frame.end(), frame.epoch, std::string(frame.payload)});
          return Status();
        });
    if (!opened.ok()) {
      EXPECT_TRUE(disk_.stopped()) << "recovery stopped: " << opened.status().message();
      return false;
    }
    journal_ = std::move(*opened);
    const Position end = journal_->appended();
    EXPECT_GE(end, safe_) << "something safe is missing";
    size_t first = 0;
    while (first < log_.size() && log_[first].base < snapshot_) {
      first++;
    }
    EXPECT_LE(first + recovered.size(), log_.size()) << "more than was appended";
    for (size_t i = 0; i < recovered.size() && first + i < log_.size(); i++) {
      const Appended& model = log_[first + i];
      EXPECT_EQ(recovered[i].base, model.base);
      EXPECT_EQ(recovered[i].epoch, model.epoch);
      EXPECT_EQ(recovered[i].payload, model.payload);
      if (::testing::Test::HasFailure()) return false;
    }
    EXPECT_EQ(end, recovered.empty() ? snapshot_ : recovered.back().end);
    EXPECT_EQ(journal_->durable(), end);
    if (first + recovered.size() < log_.size()) log_.resize(first + recovered.size());
    return !::testing::Test::HasFailure();
  }

  void Live() {
    for (uint64_t step = 0; step < kStepsPerLife && !disk_.stopped(); step++) {
      Step();
      written_ = journal_->written();
      durable_ = journal_->durable();
      EXPECT_LE(durable_, written_);
      EXPECT_LE(written_, journal_->appended());
      EXPECT_LE(journal_->safe(), written_);
    }
    if (Chance(20) && !disk_.stopped()) Close();
  }

  void Step() {
    const uint64_t dice = random_.Below(100);
    if (dice < 40) {
      Append();
      if (Chance(70)) Flush();
    } else if (dice < 55) {
      Flush();
    } else if (dice < 75) {
      log_thread_.Step();
    } else if (dice < 90) {
      helper_.Step();
    } else if (dice < 93) {
      TakeSnapshot();
    } else if (dice < 95) {
      journal_->set_sync_policy(Policy());
    } else if (dice < 96) {
      journal_->set_epoch(journal_->epoch() + 1);
    } else if (dice < 98) {
      disk_.set_capacity(disk_.used() + (Chance(50) ? random_.Below(3000) : 1'000'000));
    } else if (dice < 99) {
      Read();
    } else if (Chance(30)) {
      const int error = Chance(30) ? EIO : ENOSPC;
      disk_.FailCalls(disk_.calls() + 1 + random_.Below(10), 1, error);
      broken_ = true;
    }
  }

  SyncPolicy Policy() {
    constexpr SyncPolicy kPolicies[] = {SyncPolicy::kAlways, SyncPolicy::kEverySecond,
                                        SyncPolicy::kNo};
    return kPolicies[random_.Below(3)];
  }

  void Append() {
    uint64_t size = random_.Below(200);
    if (Chance(3)) size = random_.Below(5000);
    std::string payload(size, '\0');
    for (char& byte : payload) {
      byte = static_cast<char>(Chance(20) ? 0 : random_.Next());
    }
    const Position base = journal_->appended();
    const Status status = journal_->Append(payload, 1);
    EXPECT_EQ(status.ok(), !journal_->failed());
    if (status.ok())
      log_.push_back({base, journal_->appended(), journal_->epoch(), std::move(payload)});
  }

  void Flush() {
    now_us_ += static_cast<int64_t>(random_.Below(400'000));
    journal_->Flush(now_us_);
  }

  // Everything up to some durable frame is kept elsewhere: the journal need not hold it any more.
  void TakeSnapshot() {
    for (const Appended& frame : log_) {
      if (frame.end <= journal_->durable() && frame.end > snapshot_ && Chance(30))
        snapshot_ = frame.end;
    }
    journal_->RemoveBefore(snapshot_);
  }

  // A follower reads what is written, from the snapshot on.
  void Read() {
    auto reader = journal_->ReadFrom(snapshot_);
    if (!reader.ok()) return;  // a fault of the disk
    for (const Appended& model : log_) {
      if (model.base < snapshot_ || model.end > journal_->written()) continue;
      const auto frame = reader->Next(journal_->written());
      if (!frame.ok()) return;  // the same
      ASSERT_TRUE(frame->has_value());
      EXPECT_EQ((*frame)->payload, model.payload);
    }
  }

  void Close() {
    const Position base = journal_->appended();
    const Status closed = journal_->Close(now_us_);
    if (journal_->appended() > base)
      log_.push_back({base, journal_->appended(), journal_->epoch(), ""});
    EXPECT_TRUE(!closed.ok() || journal_->durable() == journal_->appended());
    written_ = journal_->written();
    durable_ = journal_->durable();
  }

  void End() {
    constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPower,
                                  Crash::kPowerWorst};
    Crash crash = kCrashes[random_.Below(4)];
    // The one thing that is not made good: to die between a failed sync and the note about it.
    if (broken_ && disk_.stopped() && crash == Crash::kProcess) crash = Crash::kPower;
    broken_ = false;
    // Of a life that did not get so far as to open the journal, nothing new is known; what only
    // kill -9 had spared may go with the power.
    if (journal_ != nullptr) {
      durable_ = journal_->durable();
      written_ = journal_->written();
    }
    if (crash != Crash::kProcess) written_ = durable_;
    safe_ = written_;
    journal_.reset();
    log_thread_ = {};
    helper_ = {};
    disk_.Restart(crash);
  }

  Random random_;
  sim::ModelDisk disk_;
  sim::SteppedWorker log_thread_;
  sim::SteppedWorker helper_;
  std::unique_ptr<Journal> journal_;
  int64_t now_us_ = 0;

  std::vector<Appended> log_;  // what the journal should hold, at most
  Position snapshot_ = 0;
  Position written_ = 0;
  Position durable_ = 0;
  Position safe_ = 0;    // what the next start must find
  bool broken_ = false;  // a sync may have failed
};

TEST(JournalCrashTest, EverySeedRecovers) {
  SetLogLevel(LogLevel::kNothing);
  sim::ForEachSeed(kDefaultSeeds, [](uint64_t seed) { Simulation(seed).Run(); });
  SetLogLevel(LogLevel::kVerbose);
}

}  // namespace
}  // namespace runnel::journal
