// A leader and a follower on model disks and a model network. What is made on the leader while the
// link breaks, the follower is killed or loses its power, and files are read instead of memory: in
// the end both have the same journal, byte for byte, and the same data.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "effects/batch.h"
#include "effects/list_effects.h"
#include "effects/string_effects.h"
#include "journal/note.h"
#include "replication/cluster_record.h"
#include "replication/follower.h"
#include "replication/leader.h"
#include "resp/request_parser.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_network.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::replication {
namespace {

using sim::Crash;
using sim::ModelDisk;
using sim::ModelNetwork;
using sim::SteppedWorker;
using ::testing::HasSubstr;

constexpr uint64_t kDefaultSeeds = 500;
constexpr uint32_t kDatabases = 2;

class StillClock final : public Clock {
 public:
  int64_t UnixMicros() const override { return 0; }
  int64_t SteadyMicros() const override { return 0; }
};

// A connection at the leader that has not become a link yet: waits for REPLICATION FOLLOW.
class Lobby final : public ByteStreamHandler {
 public:
  Lobby(std::unique_ptr<ByteStream> stream, Leader& leader, const int64_t& now_ms)
      : stream_(std::move(stream)), leader_(leader), now_ms_(now_ms) {
    stream_->Start(this);
  }

  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t bytes) override {
    input_.append(buffer_, bytes);
    RequestParser parser;
    if (parser.Parse(input_, {1 << 20, true}) != RequestParser::Outcome::kRequest) return;
    if (parser.args()[0] == "PING") {
      input_.erase(0, parser.consumed());
      return Reply("+PONG\r\n");
    }
    auto request = FollowRequest::FromWords(parser.args().subspan(2));
    const Status refused = request.ok() ? leader_.Check(*request) : request.status();
    if (!refused.ok()) {
      return Reply("-ERR " + std::string(refused.message()) + "\r\n");
    }
    asked_ = std::move(*request);
  }
  // One that becomes a link will see it there.
  void OnEnd(std::string_view) override {
    if (!asked_) stream_->Close();
  }
  void OnWritten(std::string_view) override {}
  void OnClosed() override { closed_ = true; }

  bool closed() const { return closed_; }
  // What the server does at the end of the turn. Whether it has given its stream away.
  bool MayLeave() {
    if (!asked_ || closed_) return false;
    stream_->PauseReading();
    leader_.Accept(std::move(stream_), *std::exchange(asked_, std::nullopt), now_ms_);
    return true;
  }
  void Close() { stream_->Close(); }

 private:
  void Reply(const std::string& text) {
    const iovec vector{const_cast<char*>(text.data()), text.size()};
    stream_->TryWrite(&vector, 1);
  }

  std::unique_ptr<ByteStream> stream_;
  Leader& leader_;
  const int64_t& now_ms_;
  char buffer_[512];
  std::string input_;
  std::optional<FollowRequest> asked_;
  bool closed_ = false;
};

// A server as far as replication knows it.
struct Node {
  explicit Node(uint64_t seed, std::string id) : disk(seed), id(std::move(id)) {}

  void OpenJournal(bool follows, const std::optional<journal::Identity>& identity = {}) {
    keyspace = std::make_unique<Keyspace>(kDatabases);
    journal::JournalOptions options;
    options.directory = "j";
    options.segment_bytes = 4096;
    options.follows = follows;
    if (identity) {
      ASSERT_TRUE(disk.CreateDirectory("j").ok());
      ASSERT_TRUE(journal::WriteIdentity(disk, "j", *identity).ok());
    }
    Applier applier(*keyspace);
    auto opened =
        journal::Journal::Open(&disk, &log, &helper, options,
                               [&](const journal::Frame& frame) { return applier.Apply(frame); });
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    journal = std::move(*opened);
  }
  void StepWorkers() {
    log.Step();
    helper.Step();
    reader.Step();
  }

  ModelDisk disk;
  const std::string id;
  SteppedWorker log, helper, reader;
  std::unique_ptr<Keyspace> keyspace;
  std::unique_ptr<journal::Journal> journal;
};

class ReplicationWorld {
 public:
  explicit ReplicationWorld(uint64_t seed)
      : random_(seed), network_(seed + 1), leads_(seed + 2, "leader"), follows_(seed + 3, "f") {
    settings_.tail_bytes = random_.Below(2) == 0 ? 1 : 100'000;
    settings_.window_bytes = 200 + random_.Below(20'000);
    if (random_.Below(2) == 0) settings_.silence_max_ms = 30;
    if (random_.Below(2) == 0) settings_.lag_max_ms = 50;
    if (random_.Below(2) == 0) settings_.min_insync = 2;
    if (random_.Below(4) == 0) settings_.sync_rate = 10'000 + random_.Below(1'000'000);
    if (random_.Below(2) == 0) settings_.published_bytes = 500;
    leads_.OpenJournal(false);
    Lead();
    follows_.OpenJournal(true, leads_.journal->identity());
    Follow();
  }
  ~ReplicationWorld() {
    follower_.reset();
    leader_.reset();
    for (const auto& lobby : lobbies_) {
      lobby->Close();
    }
    network_.Settle();
    for (Node* const node : {&leads_, &follows_}) {
      node->reader.Drain();
      node->log.Drain();
      node->helper.Drain();
    }
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); i++) {
      Step();
      clients_wait_ = Chance(20);
      if (Chance(1)) network_.BreakOne();
      if (Chance(1)) RestartFollower(Chance(50) ? Crash::kProcess : Crash::kPower);
    }
  }
  // Nothing is made any more, and nothing goes wrong.
  void Heal() {
    quiet_ = true;
    clients_wait_ = false;
    constexpr int kMostSteps = 20'000;
    for (int i = 0; follower_->applied() != leads_.journal->appended(); i++) {
      ASSERT_LT(i, kMostSteps) << follower_->applied() << " of " << leads_.journal->appended()
                               << ": " << follower_->error();
      Step();
    }
  }
  void Compare() {
    EXPECT_EQ(sim::LogicalContentOf(*follows_.keyspace), sim::LogicalContentOf(*leads_.keyspace));
    EXPECT_EQ(follows_.journal->epochs(), leads_.journal->epochs());
    const Position end = leads_.journal->written();
    ASSERT_EQ(follows_.journal->written(), end);
    auto theirs = leads_.journal->ReadFrom(0);
    auto ours = follows_.journal->ReadFrom(0);
    ASSERT_TRUE(theirs.ok() && ours.ok());
    for (;;) {
      const auto a = theirs->Next(end);
      const auto b = ours->Next(end);
      ASSERT_TRUE(a.ok() && b.ok());
      ASSERT_EQ(a->has_value(), b->has_value());
      if (!*a) return;
      ASSERT_EQ((*a)->bytes(), (*b)->bytes());
    }
  }

  uint64_t received() const { return received_; }
  uint64_t dropped_messages() const { return dropped_messages_; }
  const Follower& follower() const { return *follower_; }
  Leader& leader() { return *leader_; }
  ModelNetwork& network() { return network_; }
  // What the leader has from now on.
  void set_pinned(PinnedSnapshot snapshot) { pinned_ = std::move(snapshot); }
  Node& leads() { return leads_; }
  Node& follows() { return follows_; }
  // Whether somebody on the follower waits for changes.
  void set_clients_wait(bool wait) { clients_wait_ = wait; }

  ReplicationSettings& settings() { return settings_; }
  int64_t now_ms() const { return now_ms_; }
  // Only such changes are made from now on. Returns the bytes of the frame.
  uint64_t MakeLargeChange(size_t bytes) {
    quiet_ = true;
    const Position before = leads_.journal->appended();
    const std::string text(bytes, 'l');
    Commit(StringSet{KeyRef(0, "large"), text}, batch_, *leads_.keyspace);
    LeaderTurn();
    return leads_.journal->appended() - before;
  }

  // A change is made on the leader and reaches the follower's disk, while no time passes. Returns
  // how far the follower is then, as the leader knows it. `awaited`: somebody waits for the change.
  struct Standing {
    std::vector<Position> written;
    std::vector<Position> synced;
  };
  Standing ChangeAtOnce(bool awaited) {
    settings_.window_bytes = 1 << 20;
    MakeChange();
    if (awaited) leader_->AwaitFollowers(leads_.journal->appended() + 1);
    for (int i = 0; i < 10; i++) {
      LeaderTurn();
      leads_.reader.Drain();
      network_.Settle();
      follows_.journal->RequestSync();
      FollowerTurn();
      follows_.log.Drain();
      follows_.helper.Drain();
      FollowerTurn();
      network_.Settle();
    }
    return {leader_->Positions(false), leader_->Positions(true)};
  }
  // One round of both loops, as far as chance lets each have one.
  void Step() {
    now_ms_ += static_cast<int64_t>(random_.Below(4));
    if (Chance(50)) LeaderTurn();
    if (Chance(50)) FollowerTurn();
    network_.Step();
    if (Chance(50)) leads_.StepWorkers();
    if (Chance(50)) follows_.StepWorkers();
  }

 private:
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }

  void Lead() {
    ASSERT_TRUE(leads_.journal->Lead(journal::NextEpoch(leads_.journal->epoch(), 7)).ok());
    batch_.set_on(true);
    auto records = RecordFile::Open(leads_.disk, leads_.reader, "cluster");
    ASSERT_TRUE(records.ok()) << records.status().message();
    records_ = std::move(*records);
    leader_ = std::make_unique<Leader>(Leader::Parts{*leads_.journal,
                                                     leads_.disk,
                                                     leads_.reader,
                                                     [this](Position) { return pinned_; },
                                                     *records_,
                                                     {leads_.id, "", 1, true},
                                                     kDatabases,
                                                     1,
                                                     settings_,
                                                     dropped_messages_,
                                                     {},
                                                     {}},
                                       now_ms_);
  }

  void Follow() {
    const auto connect = [this](const std::string&, int, ConnectFunction done) {
      auto pair = network_.Connect();
      lobbies_.push_back(std::make_unique<Lobby>(std::move(pair.far), *leader_, now_ms_));
      connecting_ = std::move(done);
      near_ = std::move(pair.near);
      return std::make_unique<Attempt>();
    };
    const auto introduce = [this] {
      FollowRequest request;
      request.node_id = follows_.id;
      request.run_id = std::to_string(lives_);
      request.databases = kDatabases;
      request.effects = 1;
      return request;
    };
    follower_ = std::make_unique<Follower>(
        Follower::Parts{
            follows_.disk, follows_.helper, *follows_.journal, *follows_.keyspace, follows_.reader,
            clock_, settings_, nullptr, [this] { return !quiet_ && Chance(10); },
            [this] { return clients_wait_; }, connect, [] { return Follower::Credentials(); },
            introduce, [](const replication::Welcome&) { return Status(); },
            [this](const ClusterRecord& record) { kept_record_ = record.version; },
            [this](journal::Epoch) { return kept_record_; }, [this] { return subscribed_; },
            [this](const Published& published) { Receive(published); }, dropped_messages_},
        Follower::Target{"leader", 1}, now_ms_);
  }

  void RestartFollower(Crash crash) {
    follower_.reset();
    connecting_ = nullptr;
    if (near_ != nullptr) near_.reset();
    network_.Settle();
    follows_.disk.StopNow();
    follows_.log.Drain();
    follows_.helper.Drain();
    had_ = std::max(had_, follows_.journal->written());
    follows_.journal.reset();
    follows_.disk.Restart(crash);
    lives_++;
    follows_.OpenJournal(true);
    if (::testing::Test::HasFailure()) return;
    Follow();
  }

  void LeaderTurn() {
    for (uint64_t i = quiet_ ? 0 : random_.Below(4); i > 0; i--) {
      Chance(70) ? MakeChange() : Publish();
    }
    if (!batch_.empty()) {
      const auto records = static_cast<uint32_t>(batch_.count());
      ASSERT_TRUE(leads_.journal->AppendFrame(&batch_.buffer(), records).ok());
      batch_.Clear();
    }
    leads_.journal->Flush(now_ms_ * 1000);
    std::erase_if(lobbies_, [](const auto& lobby) { return lobby->closed() || lobby->MayLeave(); });
    const Position mark = leader_->in_sync().mark();
    leader_->Turn(now_ms_);
    CheckMark(mark);
  }

  // Whoever is in the recorded set has what is below the mark, on its disk as far as that counts
  // while its process lives.
  void CheckMark(Position before) {
    const InSyncSet& set = leader_->in_sync();
    EXPECT_GE(set.mark(), before);
    EXPECT_LE(set.mark(), leads_.journal->safe());
    if (!set.Has(follows_.id) || follows_.journal == nullptr) return;
    // What a power cut took comes again; until then the set believes that it is there.
    if (follows_.journal->written() < had_) return;
    EXPECT_GE(follows_.journal->written(), set.mark());
  }

  void MakeChange() {
    const std::string name = "key" + std::to_string(random_.Below(5));
    // A large one now and then: a frame of many pieces and segments.
    const std::string text(random_.Below(Chance(5) ? 3000 : 50),
                           static_cast<char>('a' + lives_ % 26));
    const KeyRef key(0, name);
    if (leads_.keyspace->Find(key) == nullptr && Chance(50)) {
      const std::string_view values[] = {text, "x"};
      Commit(ListPush{key, ListEnd::kBack, values}, batch_, *leads_.keyspace);
    } else if (const KeyEntry* entry = leads_.keyspace->Find(key);
               entry != nullptr && entry->type() == ObjectType::kList) {
      Commit(ListPop{key, ListEnd::kFront, 1}, batch_, *leads_.keyspace);
    } else {
      Commit(StringAppend{key, text + "y"}, batch_, *leads_.keyspace);
    }
  }

  void Publish() {
    if (!leader_->wants_published()) return;
    const std::string number = std::to_string(++published_);
    const Position position = leads_.journal->appended() + (batch_.empty() ? 0 : 1);
    leader_->Publish({position, published_ % 3 == 0, number, TextOf(published_)});
  }
  // Mostly small, now and then one that is larger than some bounds, or goes out in pieces.
  static std::string TextOf(uint64_t number) {
    const size_t large = number % 2 == 0 ? 20'000 : 200'000;
    const size_t size = number % 97 == 0 ? large : number % 200;
    return std::string(size, static_cast<char>('a' + number % 26));
  }
  // In their order, and never before the changes that they follow; some may be missing.
  void Receive(const Published& published) {
    const uint64_t number = std::stoull(std::string(published.channel));
    EXPECT_GT(number, last_received_);
    last_received_ = number;
    received_++;
    EXPECT_EQ(published.shard, number % 3 == 0);
    EXPECT_TRUE(published.message == TextOf(number)) << number;
    EXPECT_GE(follower_->applied(), published.position);
  }

  void FollowerTurn() {
    if (Chance(1)) subscribed_ = !subscribed_;
    if (connecting_ && Chance(50)) std::exchange(connecting_, nullptr)(std::move(near_));
    follows_.journal->Flush(now_ms_ * 1000);
    follower_->Turn(now_ms_);
    EXPECT_LE(follower_->applied(), leads_.journal->written());
    EXPECT_LE(follower_->applied(), follows_.journal->written());
  }

  Random random_;
  ModelNetwork network_;
  StillClock clock_;
  ReplicationSettings settings_;
  int64_t now_ms_ = 1000;
  bool quiet_ = false;
  bool clients_wait_ = false;
  uint64_t lives_ = 0;
  bool subscribed_ = true;  // somebody subscribes on the follower
  uint64_t published_ = 0;
  uint64_t received_ = 0;
  uint64_t last_received_ = 0;
  uint64_t dropped_messages_ = 0;
  Position had_ = 0;  // the follower's journal went so far before it ended
  Node leads_, follows_;
  Batch batch_{journal::kFrameHeaderBytes};
  std::unique_ptr<RecordFile> records_;
  uint64_t kept_record_ = 0;  // by the follower
  std::optional<PinnedSnapshot> pinned_;
  std::unique_ptr<Leader> leader_;
  std::unique_ptr<Follower> follower_;
  std::vector<std::unique_ptr<Lobby>> lobbies_;
  ConnectFunction connecting_;
  std::unique_ptr<ByteStream> near_;
};

TEST(ReplicationTest, AFollowerBecomesEqualWhateverHappens) {
  SetLogLevel(LogLevel::kNothing);
  uint64_t seeds = 0;
  uint64_t received = 0;
  uint64_t dropped = 0;
  sim::ForEachSeed(kDefaultSeeds, [&](uint64_t seed) {
    ReplicationWorld world(seed);
    world.Run(400);
    world.Heal();
    if (!::testing::Test::HasFailure()) world.Compare();
    seeds++;
    received += world.received();
    dropped += world.dropped_messages();
  });
  if (sim::OneSeedOnly()) return;
  EXPECT_GT(received, seeds);
  EXPECT_GT(dropped, 0u);
}

TEST(ReplicationTest, AFollowerThatIsWaitedForReportsAtOnce) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  world.Heal();
  const auto end = [&] { return std::vector<Position>{world.leads().journal->written()}; };
  for (int i = 0; i < 5; i++) {
    auto standing = world.ChangeAtOnce(true);
    EXPECT_EQ(standing.written, end());
    EXPECT_EQ(standing.synced, end());
    // Nobody waits: it is reported later, with all that comes until then.
    standing = world.ChangeAtOnce(false);
    EXPECT_LT(standing.written, end());
    EXPECT_LT(standing.synced, end());
  }
}

// The only follower of the set knows that the leader has what it sends, and needs no answer.
TEST(ReplicationTest, WhatEveryOtherMemberHasIsAppliedWithoutAReport) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  world.Heal();
  world.ChangeAtOnce(false);
  for (int i = 0; i < 5; i++) {
    const auto standing = world.ChangeAtOnce(false);
    EXPECT_EQ(world.follower().applied(), world.leads().journal->written());
    EXPECT_LT(standing.written.front(), world.leads().journal->written());
  }
}

// Else the leader has to hear of it, and one for whom clients wait reports at once. (Here the mark
// stands still, because there are too few.)
TEST(ReplicationTest, WhatClientsOfAFollowerWaitForIsReportedAtOnce) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  world.Heal();
  world.settings().min_insync = 3;
  for (int i = 0; i < 5; i++) {
    world.set_clients_wait(true);
    auto standing = world.ChangeAtOnce(false);
    EXPECT_EQ(standing.written.front(), world.leads().journal->written());
    EXPECT_LT(world.follower().applied(), world.leads().journal->written());
    world.set_clients_wait(false);
    standing = world.ChangeAtOnce(false);
    EXPECT_LT(standing.written.front(), world.leads().journal->written());
  }
}

// Of the connection, before it is a link; and of the link at the other end.
struct Ends final : ByteStreamHandler, Link::Owner {
  std::span<char> ReadBuffer() override { return buffer; }
  void OnRead(size_t) override {}
  void OnWritten(std::string_view) override {}
  void OnClosed() override {}
  Status OnLine(std::string_view) override { return {}; }
  Status OnMessage(MessageType type, std::string_view body) override {
    messages++;
    if (type == MessageType::kWelcome) snapshot = Welcome::Decode(body)->snapshot.value_or(0);
    return {};
  }
  void OnEnd(std::string_view why) override { ended = why; }
  char buffer[64];
  int messages = 0;
  Position snapshot = 0;
  std::string ended;
};

// One that cannot go on from its own data.
FollowRequest AskAnew(const journal::Journal& journal) {
  FollowRequest request;
  request.journal_id = journal.identity().id;
  request.end = journal.written();
  request.epochs = journal.epochs();
  request.has_data = request.anew = true;
  request.node_id = "another";
  request.databases = kDatabases;
  request.effects = 1;
  return request;
}

// The journal from 0 on goes between the question and the moment at which the connection is a link.
TEST(ReplicationTest, NobodyIsToldToBeginWithNothingIfTheJournalBeginsLater) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  for (int i = 0; i < 10; i++) {
    world.MakeLargeChange(3000);
    world.Heal();
  }
  journal::Journal& journal = *world.leads().journal;
  ASSERT_EQ(journal.first(), 0u);
  const FollowRequest request = AskAnew(journal);
  ASSERT_TRUE(world.leader().Check(request).ok());
  for (int i = 0; i < 1000 && journal.first() == 0; i++) {
    journal.RequestSync();
    world.Step();
    journal.RemoveBefore(journal.written());
  }
  ASSERT_GT(journal.first(), 0u);
  auto pair = world.network().Connect();
  Ends server, asker;
  pair.far->Start(&server);
  std::unique_ptr<Link> link = Link::Begin(std::move(pair.near), asker);
  EXPECT_FALSE(world.leader().Accept(std::move(pair.far), request, world.now_ms()));
  world.network().Settle();
  EXPECT_EQ(asker.messages, 0);
  EXPECT_FALSE(asker.ended.empty());
  Link::End(std::move(link));
  world.network().Settle();
}

// The leader has not noticed yet that the first connection of a follower is gone when the second
// comes, and the second one fetches for long.
TEST(ReplicationTest, ASnapshotStaysForWhoeverConnectsAnew) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  world.Heal();
  world.settings().timeout_ms = 100'000'000;
  int listed = 0;
  const auto list = [&]() -> Result<std::vector<SyncFile>> {
    listed++;
    return std::vector<SyncFile>{{"snapshots/00000000000000000007.snap", 1}};
  };
  world.set_pinned({7, list, nullptr});
  const FollowRequest request = AskAnew(*world.leads().journal);
  std::vector<std::unique_ptr<Ends>> ends;
  std::vector<std::unique_ptr<Link>> links;
  const auto connect = [&](int64_t now_ms, uint64_t id) {
    auto pair = world.network().Connect();
    pair.far->Start(ends.emplace_back(std::make_unique<Ends>()).get());
    links.push_back(
        Link::Begin(std::move(pair.near), *ends.emplace_back(std::make_unique<Ends>())));
    ASSERT_TRUE(world.leader().Check(request).ok());
    ASSERT_TRUE(world.leader().Accept(std::move(pair.far), request, now_ms, id));
    world.leader().Turn(now_ms);
    world.leads().reader.Drain();
  };
  int64_t now_ms = world.now_ms();
  connect(now_ms, 1);
  connect(now_ms, 2);
  now_ms += 100'000;
  world.leader().Turn(now_ms);
  // A newer one; the old one is what it has in part.
  world.set_pinned({8, list, nullptr});
  world.leader().End(2, "the test");
  world.leader().Turn(now_ms);
  connect(now_ms, 3);
  EXPECT_EQ(listed, 3);
  world.leader().Turn(now_ms);
  world.network().Settle();
  EXPECT_EQ(ends.back()->snapshot, 7u);
  for (auto& link : links) {
    Link::End(std::move(link));
  }
  world.network().Settle();
}

// What is not in memory any more comes as fast as the rate allows, and what is comes at once.
TEST(ReplicationTest, WhatIsReadOfFilesKeepsToTheRate) {
  SetLogLevel(LogLevel::kNothing);
  ReplicationWorld world(1);
  world.Heal();
  world.settings().window_bytes = 10 << 20;
  world.settings().silence_max_ms = 1000;
  world.settings().tail_bytes = 10 << 20;
  world.settings().sync_rate = 1;
  int64_t begin_ms = world.now_ms();
  world.MakeLargeChange(200'000);
  world.Heal();
  EXPECT_LT(world.now_ms() - begin_ms, 500) << "out of memory";
  world.settings().tail_bytes = 1;
  for (const uint64_t rate : {uint64_t{300'000}, uint64_t{0}}) {
    world.settings().sync_rate = rate;
    begin_ms = world.now_ms();
    uint64_t bytes = 0;
    for (int i = 0; i < 6; i++) {
      bytes += world.MakeLargeChange(500'000);
    }
    world.Heal();
    const auto passed_ms = static_cast<uint64_t>(world.now_ms() - begin_ms);
    if (rate == 0) {
      EXPECT_LT(passed_ms, 4000u);
      continue;
    }
    // The last pieces are read before they are paid: there are pieces of more than 1 MiB, too.
    EXPECT_GT(passed_ms, (bytes - (5 << 18)) * 1000 / rate);
    EXPECT_LT(passed_ms, 2 * bytes * 1000 / rate);
  }
}

}  // namespace
}  // namespace runnel::replication
