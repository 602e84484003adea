// A link between two servers: one of them is real, and gets from the other side whatever the fuzzer
// says. Nothing is written to the journal but frames that are whole and continue it; what is kept
// of the input is no more than what has arrived; what the real one sends is well-formed.
//
// Input: a byte, bit 0: the real one leads (else it follows), bit 1: the leader has removed
// journal; then steps: a byte that says what comes, mostly followed by a byte with a size and so
// many bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/coding.h"
#include "base/log.h"
#include "effects/batch.h"
#include "effects/string_effects.h"
#include "effects/version.h"
#include "journal/note.h"
#include "replication/cluster_record.h"
#include "replication/follower.h"
#include "replication/leader.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_network.h"
#include "tests/sim/stepped_worker.h"

namespace {

using namespace runnel;
using namespace runnel::replication;

constexpr journal::Identity kIdentity{7, 0};
constexpr journal::Epoch kEpoch = uint64_t{1} << 32;
constexpr uint32_t kDatabases = 2;
constexpr Position kSnapshotAt = 40;

class StillClock final : public Clock {
 public:
  int64_t UnixMicros() const override { return 0; }
  int64_t SteadyMicros() const override { return 0; }
};

// Takes the input apart.
class Script {
 public:
  explicit Script(std::string_view input) : input_(input) {}

  bool done() const { return input_.empty(); }
  uint8_t Byte() {
    if (input_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(input_.front());
    input_.remove_prefix(1);
    return byte;
  }
  std::string_view Bytes() {
    const size_t wanted = Byte();
    const size_t size = std::min(wanted, input_.size());
    const std::string_view bytes = input_.substr(0, size);
    input_.remove_prefix(size);
    return bytes;
  }

 private:
  std::string_view input_;
};

// What the other side has: the far end of the connection.
class OtherSide final : public ByteStreamHandler {
 public:
  explicit OtherSide(sim::ModelNetwork& network) : network_(network) {}
  ~OtherSide() override { Close(); }

  void Take(std::unique_ptr<ByteStream> stream) {
    Close();
    closed_ = false;
    stream_ = std::move(stream);
    stream_->Start(this);
  }
  void Close() {
    if (stream_ == nullptr) return;
    stream_->Close();
    network_.Settle();
    stream_.reset();
  }
  void Send(std::string_view bytes) {
    while (stream_ != nullptr && !closed_ && !bytes.empty()) {
      const iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
      const ssize_t sent = stream_->TryWrite(&vector, 1);
      if (sent < 0) return;
      sent_ += static_cast<size_t>(sent);
      bytes.remove_prefix(static_cast<size_t>(sent));
      network_.Settle();
      // It is held back.
      if (sent == 0) return;
    }
  }
  void Send(MessageType type, std::string_view body) {
    std::string message;
    AppendMessageHeader(type, body.size(), &message);
    message += body;
    Send(message);
  }
  size_t sent() const { return sent_; }
  std::string& received() { return received_; }

  // ByteStreamHandler
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t bytes) override { received_.append(buffer_, bytes); }
  void OnEnd(std::string_view) override { closed_ = true; }
  void OnWritten(std::string_view) override {}
  void OnClosed() override {}

 private:
  sim::ModelNetwork& network_;
  std::unique_ptr<ByteStream> stream_;
  bool closed_ = true;
  size_t sent_ = 0;
  char buffer_[4096];
  std::string received_;
};

// The real server, as far as both sides need it.
struct Server {
  explicit Server(bool follows) {
    SetLogLevel(LogLevel::kNothing);
    journal::JournalOptions options;
    options.directory = "j";
    options.segment_bytes = 4096;
    options.follows = follows;
    CHECK(disk.CreateDirectory("j").ok());
    CHECK(journal::WriteIdentity(disk, "j", kIdentity).ok());
    auto opened = journal::Journal::Open(&disk, &log, &helper, options,
                                         [](const journal::Frame&) { return Status(); });
    CHECK(opened.ok());
    journal = std::move(*opened);
  }
  ~Server() {
    journal.reset();
    Drain();
  }
  void Drain() {
    log.Drain();
    helper.Drain();
    reader.Drain();
    network.Settle();
  }
  void Flush() {
    journal->Flush(now_ms * 1000);
    Drain();
    journal->Flush(now_ms * 1000);
  }
  // What the journal has is frames, one after the other, each in an epoch that is not less than
  // that of the one before.
  std::string ReadAll() {
    std::string bytes;
    auto from = journal->ReadFrom(journal->first());
    CHECK(from.ok());
    journal::Epoch epoch = 0;
    for (;;) {
      const auto frame = from->Next(journal->written());
      CHECK(frame.ok());
      if (!*frame) break;
      CHECK((*frame)->epoch >= epoch);
      epoch = (*frame)->epoch;
      bytes += (*frame)->bytes();
    }
    CHECK(bytes.size() == journal->written() - journal->first());
    return bytes;
  }

  sim::ModelNetwork network{1};
  sim::ModelDisk disk{1};
  sim::SteppedWorker log, helper, reader;
  StillClock clock;
  Keyspace keyspace{kDatabases};
  ReplicationSettings settings;
  int64_t now_ms = 1000;
  std::unique_ptr<journal::Journal> journal;
};

// Changes that are applied, and such that cannot be.
std::string PayloadOf(uint8_t kind) {
  if (kind % 4 == 0) return "";
  if (kind % 4 == 1) return "\x7f no effect";
  Keyspace keyspace(kDatabases);
  Batch batch(0);
  batch.set_on(true);
  Commit(StringAppend{KeyRef(0, "key"), kind % 4 == 2 ? "x" : std::string(1000, 'y')}, batch,
         keyspace);
  return std::string(batch.buffer().view());
}

std::string FrameOf(journal::Epoch epoch, Position base, std::string_view payload) {
  journal::Frame frame;
  frame.epoch = epoch;
  frame.base = base;
  frame.synced = base;
  frame.records = payload.empty() ? 0 : 1;
  frame.payload = payload;
  std::string bytes(journal::kFrameHeaderBytes, '\0');
  journal::WriteFrameHeader(frame, kIdentity.id, bytes.data());
  bytes += payload;
  return bytes;
}

template <class Message>
std::string BodyOf(const Message& message) {
  std::string body;
  message.Encode(&body);
  return body;
}

// What a server keeps of its input is at most this.
void CheckMemory(const Link& link, const OtherSide& other) {
  CHECK(link.input_bytes() <= other.sent());
  CHECK(link.input_memory() <= 128 * 1024 + 8 * other.sent());
}

// --- The real one follows ---

class FollowerFuzz {
 public:
  FollowerFuzz() : server_(true), other_(server_.network) {
    follower_ = std::make_unique<Follower>(
        Follower::Parts{server_.disk, server_.helper, *server_.journal, server_.keyspace,
                        server_.reader, server_.clock, server_.settings, nullptr,
                        [] { return false; }, [] { return false; },
                        [this](const std::string&, int, ConnectFunction done) {
                          connecting_ = std::move(done);
                          return std::make_unique<Attempt>();
                        },
                        [] { return Follower::Credentials(); },
                        [] {
                          FollowRequest request;
                          request.node_id = "follower";
                          request.databases = kDatabases;
                          request.effects = kEffectsVersion;
                          return request;
                        },
                        [](const Welcome&) { return Status(); },
                        [](const ClusterRecord& record) {
                          CHECK(record.journal_id == kIdentity.id);
                          CHECK(record.members.size() <= ClusterRecord::kMostMembers);
                        },
                        [](journal::Epoch) { return uint64_t{0}; }, [] { return true; },
                        [](const Published&) {}, dropped_messages_},
        Follower::Target{"leader", 1}, server_.now_ms);
  }
  ~FollowerFuzz() {
    follower_.reset();
    server_.Drain();
    other_.Close();
  }

  void Run(Script script) {
    while (!script.done() && Goes()) {
      Step(script);
      Turn();
    }
    server_.ReadAll();
    CHECK(follower_->applied() <= server_.journal->written());
    CHECK(follower_->applied() <= std::max<Position>(follower_->high_watermark(), 0));
  }

 private:
  // Otherwise the server would do something about it, and make another follower.
  bool Goes() const {
    return !follower_->cut_to() && !follower_->journal_to_take() && !follower_->cannot_apply() &&
           !follower_->state_to_take();
  }
  void Turn() {
    server_.now_ms += 10;
    server_.Flush();
    follower_->Turn(server_.now_ms);
    if (follower_->room_wanted()) follower_->GoOnFetching();
    server_.Drain();
    if (connecting_) {
      auto pair = server_.network.Connect();
      other_.Take(std::move(pair.far));
      std::exchange(connecting_, nullptr)(std::move(pair.near));
      server_.Drain();
    }
    if (follower_->link_up()) CheckMemory(follower_->link(), other_);
  }
  Position Continues() const { return server_.journal->appended(); }

  void Step(Script& script) {
    const uint8_t what = script.Byte();
    switch (what % 12) {
      case 0:
        return other_.Send(script.Bytes());
      case 1:
        return other_.Send("+PONG\r\n");
      case 2: {
        Welcome welcome;
        welcome.identity = kIdentity;
        welcome.identity.id += what / 12 == 1;
        welcome.node_id = "leader";
        welcome.epochs.Note(kEpoch, 0);
        welcome.parting = Continues() + (what / 12 == 2 ? script.Byte() : 0);
        if (what / 12 == 3) welcome.parting = script.Byte();
        if (what / 12 == 4) welcome.snapshot = kSnapshotAt;
        return other_.Send(MessageType::kWelcome, BodyOf(welcome));
      }
      case 3: {
        const auto type = static_cast<MessageType>(script.Byte());
        return other_.Send(type, script.Bytes());
      }
      case 4:
      case 5: {
        // A frame that continues the journal, whole or in two pieces; or not quite.
        const uint8_t kind = script.Byte();
        const Position at = Continues();
        std::string frame = FrameOf(kEpoch + kind / 16, at + (what / 12 == 1), PayloadOf(kind));
        if (what % 12 == 5) frame[script.Byte() % frame.size()] ^= static_cast<char>(1 + kind % 8);
        const size_t cut = what / 12 == 2 ? script.Byte() % frame.size() : 0;
        for (const auto& [begin, end] : {std::pair(size_t{0}, cut), std::pair(cut, frame.size())}) {
          if (begin == end) continue;
          std::string body;
          AppendPieceHead(at + begin, &body);
          body += frame.substr(begin, end - begin);
          other_.Send(MessageType::kBytes, body);
        }
        return;
      }
      case 6:
        return other_.Send(
            MessageType::kMark,
            BodyOf(Mark{Continues() - std::min<Position>(Continues(), script.Byte()),
                        Continues() + script.Byte(), script.Byte(), what / 12 == 1}));
      case 7:
        return other_.Send(MessageType::kHeartbeat, BodyOf(Heartbeat{script.Byte(), true}));
      case 8: {
        FileList list;
        list.last = what / 12 != 1;
        list.files = {{"snapshots/a", 1 + uint64_t{script.Byte()}}, {"streams/b", 3}};
        if (what / 12 == 2) list.files[1].path = script.Bytes();
        return other_.Send(MessageType::kFiles, BodyOf(list));
      }
      case 9: {
        const uint64_t file = script.Byte();
        const uint64_t offset = script.Byte();
        return other_.Send(MessageType::kFilePiece,
                           BodyOf(FilePiece{file, offset, script.Bytes()}));
      }
      case 10: {
        ClusterRecord record;
        record.version = script.Byte();
        record.journal_id = kIdentity.id + (what / 12 == 1);
        record.members = {{std::string(script.Bytes()), "h", 1, true}};
        return other_.Send(MessageType::kRecord, record.Encode());
      }
      default:
        if (what / 12 == 1) server_.now_ms += 10'000;
        if (what / 12 == 2) other_.Close();
        if (follower_->take_over() && what / 12 == 3) follower_->RefuseTakeOver(script.Bytes());
    }
  }

  Server server_;
  OtherSide other_;
  ConnectFunction connecting_;
  uint64_t dropped_messages_ = 0;
  std::unique_ptr<Follower> follower_;
};

// --- The real one leads ---

class LeaderFuzz {
 public:
  explicit LeaderFuzz(bool removed) : server_(false), other_(server_.network) {
    CHECK(server_.journal->Lead(kEpoch).ok());
    for (int i = 0; i < (removed ? 8 : 2); i++) {
      CHECK(server_.journal->Append(PayloadOf(3), 1).ok());
      server_.journal->RequestSync();
      server_.Flush();
    }
    if (removed) {
      server_.journal->RemoveBefore(server_.journal->written());
      server_.Drain();
      CHECK(server_.journal->first() > 0);
      sim::WriteFile(server_.disk, "snapshots/a", std::string(3000, 's'));
    }
    before_ = server_.ReadAll();
    auto records = RecordFile::Open(server_.disk, server_.reader, "cluster");
    CHECK(records.ok());
    records_ = std::move(*records);
    leader_ = std::make_unique<Leader>(
        Leader::Parts{*server_.journal, server_.disk, server_.reader,
                      [this](Position most) { return Pin(most); }, *records_,
                      Member{"leader", "h", 1, true}, kDatabases, kEffectsVersion, server_.settings,
                      dropped_messages_, nullptr, nullptr},
        server_.now_ms);
  }
  ~LeaderFuzz() {
    leader_.reset();
    server_.Drain();
    other_.Close();
  }

  void Run(Script script) {
    while (!script.done()) {
      Step(script);
      Turn();
    }
    CHECK(server_.ReadAll() == before_);
    CHECK(leader_->in_sync().mark() <= server_.journal->written());
    CHECK(records_->now().members.size() <= ClusterRecord::kMostMembers);
  }

 private:
  std::optional<PinnedSnapshot> Pin(Position most) {
    const Position first = server_.journal->first();
    if (first == 0 || most < first) return std::nullopt;
    return PinnedSnapshot{first,
                          [] {
                            return std::vector<SyncFile>{{"snapshots/a", 3000}};
                          },
                          nullptr};
  }
  void Turn() {
    server_.now_ms += 10;
    leader_->Turn(server_.now_ms);
    server_.Drain();
    leader_->ForEachLink([&](const Leader::Peer&, const Link& link) { CheckMemory(link, other_); });
    CheckWhatCame();
  }
  // Messages, and the journal as it is.
  void CheckWhatCame() {
    std::string& bytes = other_.received();
    for (;;) {
      if (bytes.size() < kMessageHeaderBytes) return;
      const auto header = DecodeMessageHeader(bytes);
      CHECK(header.ok());
      const size_t size = kMessageHeaderBytes + header->body_bytes;
      if (bytes.size() < size) return;
      const std::string_view body =
          std::string_view(bytes).substr(kMessageHeaderBytes, header->body_bytes);
      if (header->type == MessageType::kWelcome) CHECK(Welcome::Decode(body).has_value());
      if (header->type == MessageType::kBytes) {
        const auto position = DecodePieceHead(body);
        const Position first = server_.journal->first();
        CHECK(position && *position >= first);
        CHECK(std::string_view(before_)
                  .substr(*position - first)
                  .starts_with(body.substr(kPieceHeadBytes)));
      }
      bytes.erase(0, size);
    }
  }

  void Connect(const FollowRequest& request) {
    if (!leader_->Check(request).ok()) return;
    auto pair = server_.network.Connect();
    other_.Take(std::move(pair.near));
    other_.received().clear();
    // As a session would have it.
    static NoHandler no_handler;
    pair.far->Start(&no_handler);
    pair.far->PauseReading();
    leader_->Accept(std::move(pair.far), request, server_.now_ms);
  }

  void Step(Script& script) {
    const uint8_t what = script.Byte();
    switch (what % 8) {
      case 0:
        return other_.Send(script.Bytes());
      case 1: {
        // The words of a request, as they come.
        std::vector<std::string_view> words;
        for (std::string_view rest = script.Bytes(); !rest.empty();) {
          const size_t blank = std::min(rest.find(' '), rest.size());
          words.push_back(rest.substr(0, blank));
          rest.remove_prefix(std::min(blank + 1, rest.size()));
        }
        const auto request = FollowRequest::FromWords(words);
        if (!request.ok()) return;
        const auto again = request->ToWords();
        const std::vector<std::string_view> views(again.begin(), again.end());
        const auto read = FollowRequest::FromWords(std::span(views).subspan(2));
        CHECK(read.ok() && read->ToWords() == again);
        return Connect(*request);
      }
      case 2: {
        FollowRequest request;
        request.journal_id = kIdentity.id + (what / 8 == 1);
        request.has_data = what / 8 != 1;
        request.node_id = "follower";
        request.run_id = "r";
        request.databases = kDatabases;
        request.effects = kEffectsVersion;
        request.end = server_.journal->written() -
                      std::min<Position>(server_.journal->written(), 20 * Position{script.Byte()});
        if (what / 8 == 2) request.end = 0;
        request.epochs.Note(kEpoch, 0);
        if (what / 8 == 3) request.epochs.Note(kEpoch + 1, script.Byte());
        return Connect(request);
      }
      case 3: {
        const auto type = static_cast<MessageType>(script.Byte());
        return other_.Send(type, script.Bytes());
      }
      case 4: {
        const Position end = server_.journal->written();
        const auto position = [&] { return end - std::min<Position>(end, script.Byte()); };
        Report report;
        report.received = position();
        report.written = position();
        report.synced = position();
        report.applied = position();
        report.heard = script.Byte();
        return other_.Send(MessageType::kReport, BodyOf(report));
      }
      case 5: {
        const uint64_t offset = uint64_t{script.Byte()} * 16;
        return other_.Send(MessageType::kFetch,
                           BodyOf(FetchRequest{uint64_t{what} / 8, offset, script.Byte()}));
      }
      case 6:
        if (leader_->Find("follower") != nullptr) {
          leader_->TellToTakeOver("follower", {server_.journal->written(), false});
        }
        return;
      default:
        if (what / 8 == 1) server_.now_ms += 100'000;
        if (what / 8 == 2) other_.Close();
        leader_->TakeWish();
    }
  }

  class NoHandler final : public ByteStreamHandler {
    std::span<char> ReadBuffer() override { return {}; }
    void OnRead(size_t) override {}
    void OnEnd(std::string_view) override {}
    void OnWritten(std::string_view) override {}
    void OnClosed() override {}
  };

  Server server_;
  OtherSide other_;
  std::string before_;
  std::unique_ptr<RecordFile> records_;
  uint64_t dropped_messages_ = 0;
  std::unique_ptr<Leader> leader_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Script script(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  if ((data[0] & 1) != 0) {
    LeaderFuzz((data[0] & 2) != 0).Run(script);
  } else {
    FollowerFuzz().Run(script);
  }
  return 0;
}
