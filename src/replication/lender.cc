#include "replication/lender.h"

#include <utility>

#include "base/log.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// The one that asks waits at least twice as long.
constexpr int64_t kLenderBeatsMs = 250;

}  // namespace

Status Lender::Check(const journal::Journal& journal, const FollowRequest& request) {
  if (request.version != kProtocolVersion) {
    return Status::Error(fmt::format("this server speaks version {} of the protocol, not {}",
                                     kProtocolVersion, request.version));
  }
  if (request.journal_id != journal.identity().id) {
    return Status::Error(fmt::format("the journal here is {:016x}, and not {:016x}",
                                     journal.identity().id, request.journal_id));
  }
  const auto parting =
      journal::FindParting({request.epochs, request.end}, {journal.epochs(), journal.written()});
  if (!parting.ok()) return parting.status();
  if (*parting < request.end) {
    return Status::Error(fmt::format("the journals part at position {}, and that one goes on to {}",
                                     *parting, request.end));
  }
  if (request.end < journal.first()) {
    return Status::Error(fmt::format("the journal here begins at {}, and is needed from {} on",
                                     journal.first(), request.end));
  }
  return {};
}

Lender::Lender(Parts parts, std::unique_ptr<ByteStream> stream, const FollowRequest& request,
               int64_t now_ms)
    : parts_(std::move(parts)),
      sent_(request.end),
      received_(request.end),
      beat_ms_(now_ms),
      heard_ms_(now_ms) {
  Welcome welcome;
  welcome.identity = parts_.journal.identity();
  welcome.node_id = parts_.node_id;
  welcome.epochs = parts_.journal.epochs();
  welcome.parting = request.end;
  welcome.end = parts_.journal.written();
  LogNotice(
      "The leader (node {}) has started with the journal up to {}: what it may have lost comes "
      "from here, where the journal ends at {}",
      request.node_id, request.end, welcome.end);
  link_ = Link::Take(std::move(stream), *this);
  std::string body;
  welcome.Encode(&body);
  link_->Send(MessageType::kWelcome, body);
}

Lender::~Lender() {
  Link::End(std::move(link_));
}

Status Lender::OnMessage(MessageType type, std::string_view body) {
  heard_ = true;
  if (type == MessageType::kGoodbye) {
    ended_ = "it has all";
    return {};
  }
  // Nothing is published here.
  if (type == MessageType::kSubscribed) return {};
  const auto report = type == MessageType::kReport ? Report::Decode(body) : std::nullopt;
  if (!report || report->received > sent_ || report->received < received_) {
    return Status::Error(
        fmt::format("a message of type {} that cannot be", static_cast<int>(type)));
  }
  received_ = report->received;
  return {};
}

void Lender::Turn(int64_t now_ms) {
  if (std::exchange(heard_, false)) heard_ms_ = now_ms;
  if (now_ms - heard_ms_ > parts_.settings.timeout_ms) ended_ = "nothing comes from it";
  if (ended()) return;
  if (now_ms >= beat_ms_) {
    beat_ms_ = now_ms + kLenderBeatsMs;
    std::string body;
    Heartbeat{++heartbeats_, true}.Encode(&body);
    link_->Send(MessageType::kHeartbeat, body);
  }
  const bool more = sent_ < parts_.journal.written();
  if (more && !reading_ && sent_ - received_ < parts_.settings.window_bytes) Read();
  link_->Flush();
}

// The helper reads whole frames, so what was sent ends with one.
void Lender::Read() {
  auto job = std::make_shared<JournalPieces>();
  job->reader = std::move(reader_);
  job->open = parts_.journal.Reading();
  job->from = job->sent = sent_;
  job->limit = parts_.journal.written();
  reading_ = true;
  parts_.reader.Run([job] { job->Read(); },
                    [this, job, alive = std::weak_ptr<bool>(alive_)] {
                      if (!alive.expired()) OnJournalRead(*job);
                    });
}

void Lender::OnJournalRead(const JournalPieces& job) {
  reading_ = false;
  reader_ = job.reader;
  if (ended()) return;
  if (!job.status.ok()) {
    ended_ = "the journal cannot be read for it: " + job.status.message();
    return;
  }
  for (const JournalPieces::Piece& piece : job.pieces) {
    std::string head;
    AppendPieceHead(sent_, &head);
    link_->SendSlice(MessageType::kBytes, head, piece.block, piece.view());
    sent_ += piece.bytes;
  }
  link_->Flush();
}

}  // namespace runnel::replication
