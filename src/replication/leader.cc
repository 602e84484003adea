#include "replication/leader.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// What a helper reads of the journal's files in one go.
constexpr size_t kReadBytes = kMostPieceBytes;

std::string HostOf(const std::string& peer) {
  const size_t colon = peer.rfind(':');
  std::string host = peer.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Leader::Leader(Parts parts) : parts_(std::move(parts)), mark_(parts_.journal.safe()) {}

Leader::~Leader() {
  if (tail_ != nullptr) parts_.journal.set_sink(nullptr);
  for (const auto& follower : followers_) {
    Link::End(std::move(follower->link));
  }
}

Result<Position> Leader::FindParting(const FollowRequest& request) const {
  const journal::Journal& journal = parts_.journal;
  // One without data takes this journal from its beginning.
  if (!request.has_data && request.journal_id != journal.identity().id) return Position{0};
  return journal::FindParting({request.epochs, request.end}, {journal.epochs(), journal.written()});
}

Status Leader::Check(const FollowRequest& request) const {
  const journal::Journal& journal = parts_.journal;
  if (request.version != kProtocolVersion) {
    return Status::Error(fmt::format("this server speaks version {} of the protocol, not {}",
                                     kProtocolVersion, request.version));
  }
  if (request.node_id == parts_.node_id) {
    return Status::Error(
        "this is the same server, or a copy of its directory: both have the node id " +
        parts_.node_id);
  }
  for (const auto& follower : followers_) {
    if (follower->peer.request.node_id == request.node_id &&
        follower->peer.request.run_id != request.run_id && follower->ended.empty()) {
      return Status::Error(
          fmt::format("a server with the node id {} follows already, from {}: was its directory "
                      "copied?",
                      request.node_id, follower->link->peer()));
    }
  }
  if (request.databases < parts_.databases) {
    return Status::Error(fmt::format("this server has {} databases, and the follower only {}",
                                     parts_.databases, request.databases));
  }
  if (request.effects < parts_.effects) {
    return Status::Error(
        "this server is of a newer version, and makes changes that the follower does not know: "
        "update the follower first");
  }
  const bool same_journal = request.journal_id == journal.identity().id;
  if (!same_journal && request.has_data) {
    return Status::Error(
        fmt::format("the journal here is {:016x}, and the follower's is another one, {:016x}",
                    journal.identity().id, request.journal_id));
  }
  if (same_journal && request.epochs.newest() > journal.epoch()) {
    return Status::Error(fmt::format(
        "the follower has heard of epoch {:016x}, newer than {:016x}, in which this server leads",
        request.epochs.newest(), journal.epoch()));
  }
  const auto parting = FindParting(request);
  if (!parting.ok()) return parting.status();
  if (same_journal && *parting < request.end) {
    return Status::Error(
        fmt::format("the journals part at position {}, and the follower's goes on to {}: what "
                    "lies between would have to be cut off",
                    *parting, request.end));
  }
  if (*parting < journal.first()) {
    return Status::Error(
        fmt::format("the follower needs the journal from position {} on, and it begins at {} here",
                    *parting, journal.first()));
  }
  return {};
}

void Leader::End(uint64_t id, std::string_view why) {
  for (const auto& follower : followers_) {
    if (follower->peer.id == id && follower->ended.empty()) follower->ended = why;
  }
}

void Leader::Accept(std::unique_ptr<ByteStream> stream, FollowRequest request, int64_t now_ms,
                    uint64_t id) {
  // The same server again: what is left of its last connection is of no use.
  for (const auto& follower : followers_) {
    if (follower->peer.request.node_id == request.node_id && follower->ended.empty()) {
      follower->ended = "it has connected anew";
    }
  }
  if (tail_ == nullptr) {
    tail_ = std::make_unique<Tail>(parts_.journal.written(), parts_.settings.tail_bytes);
    parts_.journal.set_sink(tail_.get());
  }
  parts_.journal.NoteShared();
  auto& follower = *followers_.emplace_back(std::make_unique<Follower>());
  Welcome welcome;
  welcome.identity = parts_.journal.identity();
  welcome.node_id = parts_.node_id;
  welcome.epochs = parts_.journal.epochs();
  welcome.parting = *FindParting(request);
  follower.peer.address = request.host.empty() ? HostOf(stream->peer()) : request.host;
  follower.peer.port = request.port;
  follower.peer.sent = welcome.parting;
  follower.peer.report.received = follower.peer.report.written = welcome.parting;
  follower.peer.id = id;
  follower.peer.since_ms = follower.peer.heard_ms = follower.heartbeat_ms = now_ms;
  LogNotice(
      "Follower {}:{} (node {}) connected from {}: it has the journal up to {}, and gets it "
      "from {} on; it ends at {}",
      follower.peer.address, follower.peer.port, request.node_id, stream->peer(), request.end,
      welcome.parting, parts_.journal.written());
  follower.peer.request = std::move(request);
  follower.link = Link::Take(std::move(stream), follower);
  std::string body;
  welcome.Encode(&body);
  follower.link->Send(MessageType::kWelcome, body);
  // One that must take this journal first does that and asks again.
  if (follower.peer.request.journal_id != welcome.identity.id) follower.peer.sent = UINT64_MAX;
}

Status Leader::Follower::OnMessage(MessageType type, std::string_view body) {
  heard = true;
  if (type != MessageType::kReport) {
    return Status::Error(fmt::format("a message of type {}, which a follower does not send",
                                     static_cast<int>(type)));
  }
  const auto report = Report::Decode(body);
  if (!report) return Status::Error("a report that is none");
  if (report->received > peer.sent || report->written > report->received ||
      report->synced > report->written || report->applied > report->written ||
      report->received < peer.report.received || report->written < peer.report.written) {
    return Status::Error(fmt::format(
        "a report that cannot be: received {}, written {} (before: {}), synced {}, applied {}, "
        "sent {}",
        report->received, report->written, peer.report.written, report->synced, report->applied,
        peer.sent));
  }
  peer.report = *report;
  return {};
}

void Leader::Turn(int64_t now_ms) {
  mark_ = std::max(mark_, parts_.journal.safe());
  if (tail_ != nullptr) tail_->set_most_bytes(parts_.settings.tail_bytes);
  for (auto it = followers_.begin(); it != followers_.end();) {
    Follower& follower = **it;
    if (std::exchange(follower.heard, false)) follower.peer.heard_ms = now_ms;
    if (follower.ended.empty() && now_ms - follower.peer.heard_ms > parts_.settings.timeout_ms) {
      follower.ended = fmt::format("nothing came from it for {} ms", parts_.settings.timeout_ms);
    }
    if (follower.ended.empty()) Feed(follower, now_ms);
    // A job may still read for it.
    if (follower.ended.empty() || follower.reading) {
      ++it;
      continue;
    }
    LogNotice("Follower {}:{} (node {}) is gone: {}; it had the journal up to {}",
              follower.peer.address, follower.peer.port, follower.peer.request.node_id,
              follower.ended, follower.peer.report.written);
    away_[follower.peer.request.node_id] = {follower.peer.report.written, now_ms};
    Link::End(std::move(follower.link));
    it = followers_.erase(it);
  }
  ForgetAway(now_ms);
  if (followers_.empty() && tail_ != nullptr) {
    parts_.journal.set_sink(nullptr);
    tail_.reset();
  }
}

void Leader::ForgetAway(int64_t now_ms) {
  for (const auto& follower : followers_) {
    if (follower->ended.empty()) away_.erase(follower->peer.request.node_id);
  }
  const Position end = parts_.journal.written();
  std::erase_if(away_, [&](const auto& each) {
    return now_ms - each.second.since_ms > parts_.settings.backlog_ttl_ms ||
           end - each.second.written > parts_.settings.backlog_bytes;
  });
}

void Leader::Feed(Follower& follower, int64_t now_ms) {
  Peer& peer = follower.peer;
  const uint64_t window = parts_.settings.window_bytes;
  while (!follower.reading && peer.sent < parts_.journal.written() &&
         peer.sent - peer.report.received < window) {
    if (peer.sent < tail_->begin()) {
      Read(follower);
      break;
    }
    follower.reader.reset();
    const uint64_t room = window - (peer.sent - peer.report.received);
    const Tail::Piece piece = tail_->At(peer.sent, std::min<uint64_t>(room, kMostPieceBytes));
    std::string head;
    AppendPieceHead(peer.sent, &head);
    follower.link->SendSlice(MessageType::kBytes, head, *piece.block, piece.bytes);
    peer.sent += piece.bytes.size();
  }
  if (now_ms - follower.heartbeat_ms >= heartbeat_every_ms()) {
    follower.heartbeat_ms = now_ms;
    std::string body;
    AppendHeartbeat(++follower.heartbeats, &body);
    follower.link->Send(MessageType::kHeartbeat, body);
  }
  const bool awaited = awaited_ > follower.told_awaited && awaited_ > peer.report.written;
  if ((mark_ > follower.told_mark || awaited) && peer.sent != UINT64_MAX) SendMark(follower);
  follower.link->Flush();
}

void Leader::SendMark(Follower& follower) {
  follower.told_mark = mark_;
  follower.told_awaited = awaited_;
  std::string body;
  Mark{mark_, awaited_}.Encode(&body);
  follower.link->Send(MessageType::kMark, body);
}

// The helper reads whole frames, from where the follower is. One that is larger than a piece is
// read, and sent, in one go.
void Leader::Read(Follower& follower) {
  struct Job {
    std::shared_ptr<journal::JournalReader> reader;
    std::function<Result<journal::JournalReader>(Position)> open;
    Position from;  // the end of a frame
    Position sent;
    Position limit;
    std::string bytes;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->reader = follower.reader;
  job->open = parts_.journal.Reading();
  // What was sent out of memory may have ended in the midst of a frame.
  job->from = follower.reader == nullptr ? follower.peer.report.written : follower.peer.sent;
  job->sent = follower.peer.sent;
  job->limit = parts_.journal.written();
  follower.reading = true;
  parts_.reader.Run(
      [job] {
        if (job->reader == nullptr) {
          auto opened = job->open(job->from);
          if (!opened.ok()) {
            job->status = opened.status();
            return;
          }
          job->reader = std::make_shared<journal::JournalReader>(std::move(*opened));
        }
        while (job->bytes.size() < kReadBytes) {
          const auto frame = job->reader->Next(job->limit);
          if (!frame.ok()) job->status = frame.status();
          if (!frame.ok() || !*frame) return;
          if ((*frame)->end() <= job->sent) continue;
          const Position known = std::max(job->sent, (*frame)->base);
          job->bytes += (*frame)->bytes().substr(known - (*frame)->base);
        }
      },
      [this, job, at = &follower, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        at->reading = false;
        at->reader = job->reader;
        if (!job->status.ok() && at->ended.empty()) {
          at->ended = "the journal cannot be read for it: " + job->status.message();
        }
        if (at->ended.empty()) SendBytes(*at, job->bytes);
      });
}

void Leader::SendBytes(Follower& follower, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kMostPieceBytes);
    std::string body;
    body.reserve(kPieceHeadBytes + piece.size());
    AppendPieceHead(follower.peer.sent, &body);
    body += piece;
    follower.link->Send(MessageType::kBytes, body);
    follower.peer.sent += piece.size();
    bytes.remove_prefix(piece.size());
  }
  follower.link->Flush();
}

size_t Leader::followers() const {
  size_t count = 0;
  ForEachFollower([&](const Peer&) { count++; });
  return count;
}

size_t Leader::HeardWithin(int64_t seconds, int64_t now_ms) const {
  size_t count = 0;
  ForEachFollower([&](const Peer& peer) {
    if (peer.online() && (now_ms - peer.heard_ms) / 1000 <= seconds) count++;
  });
  return count;
}

std::vector<Position> Leader::Positions(bool synced) const {
  std::vector<Position> positions;
  ForEachFollower([&](const Peer& peer) {
    if (peer.online()) positions.push_back(synced ? peer.report.synced : peer.report.written);
  });
  std::sort(positions.begin(), positions.end(), std::greater<>());
  return positions;
}

// A follower hears something well before it takes the silence for the end of the link.
int64_t Leader::heartbeat_every_ms() const {
  return std::max<int64_t>(parts_.settings.silence_max_ms / 3, 1);
}

int64_t Leader::next_due_ms() const {
  int64_t due = std::numeric_limits<int64_t>::max();
  for (const auto& follower : followers_) {
    due = std::min(due, follower->heartbeat_ms + heartbeat_every_ms());
  }
  return due;
}

Position Leader::hold() const {
  Position hold = UINT64_MAX;
  const Position end = parts_.journal.written();
  for (const auto& follower : followers_) {
    const Position written = follower->peer.report.written;
    if (end - written <= parts_.settings.hold_max_bytes) hold = std::min(hold, written);
  }
  for (const auto& [node, away] : away_) {
    hold = std::min(hold, away.written);
  }
  return hold;
}

}  // namespace runnel::replication
