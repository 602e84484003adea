#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/families.h"
#include "commands/testing.h"
#include "commands/topic_group/assignment.h"
#include "data/stream/stream.h"
#include "data/topic/group.h"
#include "data/topic/topic.h"
#include "fmt/format.h"

namespace runnel {
namespace {

// What a plain model knows of one partition, as a group reads it.
struct ModelPartition {
  uint64_t committed = 0;
  std::set<uint64_t> acknowledged;
  uint64_t epoch = 0;     // under which records were given last
  uint64_t client = 0;    // to which connection
  uint64_t position = 0;  // the offset after the last one that was given under that epoch

  uint64_t NextMissing(uint64_t offset) const {
    while (acknowledged.contains(offset)) {
      offset++;
    }
    return offset;
  }
  void Commit(uint64_t offset) {
    committed = NextMissing(std::max(committed, offset));
    acknowledged.erase(acknowledged.begin(), acknowledged.lower_bound(committed));
  }
};

struct GivenBatch {
  std::string partition;
  uint64_t epoch = 0;
  std::vector<uint64_t> offsets;
};

// The partitions in a reply of TREADGROUP.
std::vector<GivenBatch> BatchesIn(const std::string& reply) {
  std::vector<GivenBatch> batches;
  for (size_t at = 0; at < reply.size();) {
    const size_t end = std::min(reply.find(' ', at), reply.size());
    const std::string word = reply.substr(at, end - at);
    at = end + 1;
    if (word.find('/') != std::string::npos) {
      batches.push_back(
          {word, ParseDigits(reply.substr(at + 1, reply.find(' ', at) - at - 1)).value(), {}});
    } else if (const size_t dash = word.find('-'); dash == 13 && !batches.empty()) {
      batches.back().offsets.push_back(ParseDigits(word.substr(dash + 1)).value());
    }
  }
  return batches;
}

// Connections that act as members of one group at random, against the model.
class GroupRun {
 public:
  explicit GroupRun(uint64_t seed) : random_(seed) {
    Run(1, "TOPIC CREATE t0 PARTITIONS 3");
    Run(1, "TOPIC CREATE t1 PARTITIONS 2");
    Run(1, fmt::format("TGROUP CREATE g FROM EARLIEST SESSION-MS 2000 GRACE-MS 300 MOVE-MS 500 "
                       "ASSIGN {}",
                       seed % 2 == 0 ? "UNIFORM" : "RANGE"));
  }

  void Step();
  // Everybody comes to rest: then all partitions have owners, alike, and all records are read.
  void Rest();
  void CheckReplay() { ASSERT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace())); }
  uint64_t batches() const { return batches_; }
  uint64_t fenced() const { return fenced_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string Run(uint64_t client, const std::string& line) {
    runner_.client_id = client;
    return runner_.Run(line.c_str());
  }
  const TopicGroup& group() {
    return *runner_.keyspace().Find(KeyRef(CompanionOf(0), "*g"))->As<TopicGroup>();
  }
  const GroupPartition* Known(const std::string& name) {
    const auto id = ParsePartition(name);
    return group().FindPartition(id->topic, id->number);
  }
  const Stream* StreamOf(const std::string& name) {
    const KeyEntry* entry = runner_.keyspace().Find(KeyRef(CompanionOf(0), name));
    return entry == nullptr ? nullptr : entry->As<Stream>();
  }
  std::string AnyPartition() {
    const std::string topic = fmt::format("t{}", Below(3));
    const KeyEntry* entry = runner_.keyspace().Find(KeyRef(0, topic));
    if (entry == nullptr) return {};
    return fmt::format("{}/{}", topic, Below(entry->As<Topic>()->partitions()));
  }

  void Call();
  void Took(uint64_t client, const std::string& line, const std::string& reply);
  void CheckBatch(uint64_t client, const std::string& member, const GivenBatch& batch);
  void CommitSome();
  void Pass(int64_t ms);
  void Compare();

  std::mt19937_64 random_;
  CommandRunner runner_{TopicCommands(), TopicGroupCommands(), KeyspaceCommands()};
  std::map<std::string, ModelPartition> model_;
  std::vector<uint64_t> clients_{1, 2, 3, 4, 5};
  uint64_t last_client_ = 5;
  std::map<uint64_t, std::string> blocked_;                     // their calls, by connection
  std::vector<GivenBatch> given_;                               // the latest ones
  std::map<std::string, std::map<uint64_t, MemberId>> owners_;  // by partition and epoch
  uint64_t batches_ = 0;
  uint64_t fenced_ = 0;
};

void GroupRun::Step() {
  const uint64_t client = clients_[Below(clients_.size())];
  switch (Below(24)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      if (const std::string partition = AnyPartition(); !partition.empty()) {
        for (uint64_t i = 1 + Below(5); i > 0; i--) {
          Run(99, "TADD " + partition + " * f v");
        }
      }
      break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      Call();
      break;
    case 12:
    case 13:
    case 14:
    case 15:
      CommitSome();
      break;
    case 16:
    case 17:
      Pass(static_cast<int64_t>(Below(400)));
      break;
    case 18:
      Run(99, fmt::format("TGROUP HEARTBEAT g m{}", Below(4)));
      break;
    case 19: {
      // The connection ends; another one comes.
      runner_.topic_groups().OnClientClosed(client, runner_.steady_ms);
      blocked_.erase(client);
      *std::find(clients_.begin(), clients_.end(), client) = ++last_client_;
      break;
    }
    case 20:
      if (Below(3) == 0) Run(99, fmt::format("TGROUP LEAVE g m{}", Below(4)));
      break;
    case 21:
      if (const std::string partition = AnyPartition(); !partition.empty() && Below(2) == 0) {
        const Stream* stream = StreamOf(partition);
        if (stream == nullptr) break;
        Run(99, fmt::format("TOPIC TRIM {} {}", partition, Below(stream->next_offset() + 1)));
      }
      break;
    case 22:
      if (Below(20) == 0) {
        Run(99, "TOPIC DELETE t2");
        std::erase_if(model_, [](const auto& one) { return one.first.starts_with("t2/"); });
        std::erase_if(given_,
                      [](const GivenBatch& one) { return one.partition.starts_with("t2/"); });
        std::erase_if(owners_, [](const auto& one) { return one.first.starts_with("t2/"); });
      } else if (Below(4) == 0) {
        Run(99, "TOPIC CREATE t2 PARTITIONS 1");
        Run(99, fmt::format("TOPIC ALTER t{} PARTITIONS {}", Below(3), 1 + Below(6)));
      }
      break;
    case 23:
      if (const std::string partition = AnyPartition(); !partition.empty() && Below(4) == 0) {
        const Stream* stream = StreamOf(partition);
        if (stream == nullptr) break;
        const uint64_t to =
            stream->first_offset() + Below(stream->next_offset() - stream->first_offset() + 1);
        const std::string reply = Run(99, fmt::format("TGROUP RESET g {} TO {}", partition, to));
        ASSERT_TRUE(reply.starts_with("*1")) << reply;
        ModelPartition& model = model_[partition];
        model.committed = to;
        model.acknowledged.clear();
      }
      break;
  }
  Pass(0);
  Compare();
}

void GroupRun::Call() {
  const uint64_t client = clients_[Below(clients_.size())];
  if (blocked_.contains(client)) return;
  constexpr const char* kTopics[] = {"t*", "t*", "t*", "t0", "t0 t1"};
  const char* const kDone[] = {"", "", "", "", "AUTOCOMMIT ", "NOACK "};
  const std::string line =
      fmt::format("TREADGROUP g m{} COUNT {} {}{}TOPICS {}", Below(4), 1 + Below(8),
                  Below(3) == 0 ? "BLOCK 0 " : "", kDone[Below(6)], kTopics[Below(5)]);
  if (line.find("AUTOCOMMIT") != std::string::npos) {
    // All that this connection was given, and that still is its own.
    const GroupMember* member = group().FindMember(line.substr(13, 2));
    for (auto& [name, model] : model_) {
      const GroupPartition* known = Known(name);
      if (member == nullptr || known == nullptr || member->live.client != client) continue;
      if (known->owner != member->id || model.client != client || model.epoch != known->epoch) {
        continue;
      }
      model.Commit(model.position);
    }
  }
  Took(client, line, Run(client, line));
}

void GroupRun::Took(uint64_t client, const std::string& line, const std::string& reply) {
  if (runner_.blocked()) {
    blocked_[client] = line;
    return;
  }
  if (reply.starts_with("-")) {
    ASSERT_TRUE(reply.starts_with("-FENCED")) << reply;
    return;
  }
  for (const GivenBatch& batch : BatchesIn(reply)) {
    CheckBatch(client, line.substr(13, 2), batch);
    if (line.find("NOACK") != std::string::npos) {
      model_[batch.partition].Commit(model_[batch.partition].position);
    }
  }
}

// Records go to one member under an epoch, and to one connection as long as some are in flight;
// without gap, and not again if they are done.
void GroupRun::CheckBatch(uint64_t client, const std::string& member, const GivenBatch& batch) {
  batches_++;
  const GroupPartition* known = Known(batch.partition);
  ASSERT_NE(known, nullptr);
  ASSERT_EQ(known->epoch, batch.epoch);
  ASSERT_EQ(known->owner, group().FindMember(member)->id);
  const auto [it, added] = owners_[batch.partition].emplace(batch.epoch, known->owner);
  ASSERT_EQ(it->second, known->owner) << "two members were given records under one epoch";
  ASSERT_EQ(std::next(it), owners_[batch.partition].end()) << "the epoch has gone back";
  ModelPartition& model = model_[batch.partition];
  if (model.epoch == batch.epoch && model.client != client) {
    ASSERT_LE(model.position, model.committed) << "records in flight went to another connection";
  }
  if (model.epoch != batch.epoch || model.client != client) {
    model.epoch = batch.epoch;
    model.client = client;
    model.position = 0;
  }
  uint64_t next =
      std::max({model.position, model.committed, StreamOf(batch.partition)->first_offset()});
  for (const uint64_t offset : batch.offsets) {
    next = model.NextMissing(next);
    ASSERT_EQ(offset, next) << batch.partition;
    next++;
  }
  model.position = next;
  given_.push_back(batch);
  if (given_.size() > 30) given_.erase(given_.begin());
}

void GroupRun::CommitSome() {
  if (given_.empty()) return;
  const GivenBatch& batch = given_[Below(given_.size())];
  const GroupPartition* known = Known(batch.partition);
  ASSERT_NE(known, nullptr);
  const uint64_t offset = batch.offsets[Below(batch.offsets.size())];
  ModelPartition& model = model_[batch.partition];
  const bool acks = Below(3) == 0;
  // The commit itself may hand the partition over.
  const uint64_t epoch = known->epoch;
  const std::string reply =
      acks ? Run(99, fmt::format("TACK g {} {} 1-{}", batch.partition, batch.epoch, offset))
           : Run(99, fmt::format("TCOMMIT g {} {} {}", batch.partition, batch.epoch, offset + 1));
  if (batch.epoch != epoch) {
    fenced_++;
    ASSERT_TRUE(reply.starts_with("-FENCED")) << reply;
    return;
  }
  if (acks) {
    const bool is_new = offset >= model.committed && !model.acknowledged.contains(offset);
    ASSERT_EQ(reply, is_new ? ":1" : ":0");
    if (is_new) model.acknowledged.insert(offset);
    model.Commit(0);
  } else {
    ASSERT_EQ(reply, offset + 1 > model.committed ? ":1" : ":0");
    model.Commit(offset + 1);
  }
}

void GroupRun::Pass(int64_t ms) {
  runner_.steady_ms += ms;
  runner_.now_ms += ms;
  for (int rounds = 0;; rounds++) {
    ASSERT_LT(rounds, 10) << "members wake each other for ever";
    const std::vector<std::string> woken = runner_.TendTopicGroups();
    if (woken.empty()) return;
    for (const std::string& member : woken) {
      for (const auto& [client, line] : std::map<uint64_t, std::string>(blocked_)) {
        if (line.substr(13, 2) != member) continue;
        blocked_.erase(client);
        runner_.client_id = client;
        Took(client, line, runner_.Resume(line.c_str()));
      }
    }
  }
}

void GroupRun::Compare() {
  std::map<MemberId, uint32_t> owned;
  for (const auto& [topic_name, topic] : group().topics()) {
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      const std::string name = fmt::format("{}/{}", topic_name, number);
      const GroupPartition& known = topic->partitions[number];
      owned[known.owner]++;
      ModelPartition& model = model_[name];
      if (known.committed != model.committed) {
        // Only retention may do that.
        const Stream* stream = StreamOf(name);
        ASSERT_NE(stream, nullptr) << name;
        ASSERT_GT(known.committed, model.committed) << name;
        ASSERT_GT(known.skipped, 0u) << name;
        ASSERT_LE(model.NextMissing(model.committed), stream->first_offset()) << name;
        model.Commit(stream->first_offset());
      }
      ASSERT_EQ(known.committed, model.committed) << name;
      uint64_t acknowledged = 0;
      if (known.acknowledged != nullptr) acknowledged = known.acknowledged->CountBelow(UINT64_MAX);
      ASSERT_EQ(acknowledged, model.acknowledged.size()) << name;
      for (const uint64_t offset : model.acknowledged) {
        ASSERT_TRUE(known.acknowledged->Contains(offset)) << name;
      }
    }
  }
  for (const auto& [name, member] : group().members()) {
    ASSERT_EQ(member->partitions, owned[member->id]) << name;
  }
}

void GroupRun::Rest() {
  Run(99, "TGROUP LEAVE g m0 m1 m2 m3");
  Pass(0);
  ASSERT_TRUE(blocked_.empty());
  const auto read = [&](size_t i) {
    const std::string line = fmt::format("TREADGROUP g m{} COUNT 7 TOPICS t*", i);
    const std::string reply = Run(clients_[i], line);
    Took(clients_[i], line, reply);
    for (const GivenBatch& batch : BatchesIn(reply)) {
      Run(99, fmt::format("TCOMMIT g {} {} {}", batch.partition, batch.epoch,
                          batch.offsets.back() + 1));
      model_[batch.partition].Commit(batch.offsets.back() + 1);
    }
    return !reply.starts_with("*-1");
  };
  for (size_t i = 0; i < 4; i++) {
    read(i);
  }
  Pass(100);
  uint64_t moves = group().moves();
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < 4; i++) {
      more |= read(i);
    }
  }
  Pass(1000);
  Compare();
  // Nothing has changed since, so nothing has moved.
  ASSERT_EQ(group().moves(), moves);
  std::vector<uint32_t> counts;
  for (const auto& [name, member] : group().members()) {
    counts.push_back(member->partitions);
  }
  uint32_t partitions = 0;
  std::vector<commands::AssignmentTopic> topics;
  for (const auto& [topic_name, topic] : group().topics()) {
    auto& plain = topics.emplace_back();
    for (uint32_t number = 0; number < topic->partitions.size(); number++) {
      const std::string name = fmt::format("{}/{}", topic_name, number);
      partitions++;
      plain.partitions.push_back({topic->partitions[number].owner, false});
      ASSERT_NE(topic->partitions[number].owner, kNobody) << name;
      const Stream* stream = StreamOf(name);
      if (stream == nullptr) continue;
      const uint64_t done = std::max(topic->partitions[number].committed, stream->first_offset());
      ASSERT_EQ(done, stream->next_offset()) << name;
    }
  }
  ASSERT_EQ(counts.size(), 4u);
  if (group().options().assignor == Assignor::kRange) return;
  ASSERT_LE(*std::max_element(counts.begin(), counts.end()),
            *std::min_element(counts.begin(), counts.end()) + 1)
      << partitions;
}

class GroupSeeds : public ::testing::TestWithParam<int> {};

TEST_P(GroupSeeds, NothingIsSkippedAndNobodySharesAnEpoch) {
  GroupRun run(static_cast<uint64_t>(GetParam()));
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 400; i++) {
      ASSERT_NO_FATAL_FAILURE(run.Step()) << "step " << i << " of round " << round;
    }
    ASSERT_NO_FATAL_FAILURE(run.Rest());
  }
  run.CheckReplay();
  EXPECT_GT(run.batches(), 100u);
  EXPECT_GT(run.fenced(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupSeeds, ::testing::Range(0, 20));

}  // namespace
}  // namespace runnel
