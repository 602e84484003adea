#include "replication/leader.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// A turn sends no more old bytes to one follower: to copy more to the kernel would keep clients
// waiting.
constexpr size_t kMostFlushedBytes = size_t{256} << 10;
// How long a snapshot stays for a follower whose link is gone.
constexpr int64_t kKeepSnapshotMs = 60'000;

constexpr const char* kHowToForce =
    "only REPLICAOF with FORCE gives up what the follower has for what is here";

std::string HostOf(const std::string& peer) {
  const size_t colon = peer.rfind(':');
  std::string host = peer.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Leader::Leader(Parts parts, int64_t now_ms)
    : parts_(std::move(parts)),
      publisher_(parts_.settings, parts_.dropped_messages),
      seen_written_(parts_.journal.written()),
      heartbeat_ms_(now_ms),
      sync_rate_(now_ms) {
  if (parts_.upstream_path) return;
  set_ = std::make_unique<InSyncSet>(
      parts_.settings, parts_.records,
      InSyncSet::Leadership{parts_.self, parts_.journal.identity().id, parts_.journal.epoch()},
      now_ms);
  set_->Turn(parts_.journal.safe(), parts_.journal.written(), now_ms);
  const ClusterRecord& record = parts_.records.now();
  const bool known = record.journal_id == parts_.journal.identity().id;
  for (const Member& member : record.members) {
    if (known && member.node_id != parts_.self.node_id) parts_.journal.NoteShared();
  }
}

Leader::~Leader() {
  if (tail_ != nullptr) parts_.journal.RemoveSink(tail_.get());
  for (const auto& follower : followers_) {
    publisher_.End(follower->subscriber);
    Link::End(std::move(follower->link));
  }
}

Result<Leader::Terms> Leader::TermsFor(const FollowRequest& request) const {
  const journal::Journal& journal = parts_.journal;
  const uint64_t id = journal.identity().id;
  if (request.journal_id != id) {
    // One without data takes this journal from its beginning.
    if (!request.has_data) return Terms{0, true, false};
    if (request.forced) return Terms{0, false, true};
    return Status::Error(
        fmt::format("the journal here is {:016x}, and the follower's is another one, {:016x}; {}",
                    id, request.journal_id, kHowToForce));
  }
  auto parting =
      journal::FindParting({request.epochs, request.end}, {journal.epochs(), journal.written()});
  if (IsPlanted(PlantedFault::kCutByTheMark)) parting = std::min(request.end, mark());
  if (!parting.ok() && request.forced) return Terms{0, false, true};
  if (!parting.ok()) {
    return Status::Error(fmt::format("{}; {}", parting.message(), kHowToForce));
  }
  return Terms{*parting, false, request.anew || *parting < journal.first()};
}

bool Leader::GivesAll(const FollowRequest& request) const {
  const auto terms = TermsFor(request);
  return terms.ok() && !terms->takes_journal && (terms->needs_state || request.end == 0);
}

Status Leader::Check(const FollowRequest& request) const {
  const journal::Journal& journal = parts_.journal;
  if (request.recovers) {
    return Status::Error(fmt::format("this server leads, in epoch {:016x}", journal.epoch()));
  }
  if (request.version != kProtocolVersion) {
    return Status::Error(fmt::format("this server speaks version {} of the protocol, not {}",
                                     kProtocolVersion, request.version));
  }
  if (request.node_id == parts_.self.node_id) {
    return Status::Error(
        "this is the same server, or a copy of its directory: both have the node id " +
        parts_.self.node_id);
  }
  const Follower* const here = Connected(request.node_id);
  if (here != nullptr && here->peer.request.run_id != request.run_id) {
    return Status::Error(
        fmt::format("a server with the node id {} follows already, from {}: was its directory "
                    "copied?",
                    request.node_id, here->link->peer()));
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
  const auto terms = TermsFor(request);
  if (!terms.ok()) return terms.status();
  // What a leader does not have is cut. One that follows may get it yet.
  if (!leads() && terms->parting == journal.written() && terms->parting < request.end) {
    return Status::Error(fmt::format(
        "this server follows another one, and has the journal only up to position {} yet, less "
        "than the follower, which has it up to {}",
        terms->parting, request.end));
  }
  if (terms->needs_state && journal.first() > 0 && !SnapshotFor(request)) {
    return Status::Error(fmt::format(
        "the follower needs the journal from position {} on, it begins at {} here, and there is no "
        "snapshot yet that every in-sync replica has",
        terms->parting, journal.first()));
  }
  return {};
}

// The one that the follower was fetching, if it was not long ago. One that is damaged, as far as is
// known, is given only if there is no other.
std::optional<PinnedSnapshot> Leader::SnapshotFor(const FollowRequest& request) const {
  const auto damaged = [&](Position position) {
    return position == request.without || position == damaged_snapshot_;
  };
  const auto found = fetched_.find(request.node_id);
  if (found != fetched_.end() && !damaged(found->second.snapshot.position)) {
    return found->second.snapshot;
  }
  // While too few are there, the mark stands still, and a newer snapshot is the only way in.
  const bool too_few = leads() && set_->live() < parts_.settings.min_insync;
  const auto pin = [&](Position most) {
    auto snapshot = parts_.pin_snapshot(most);
    if (snapshot && snapshot->position < parts_.journal.first()) snapshot.reset();
    return snapshot;
  };
  auto newest = pin(too_few ? parts_.journal.written() : mark());
  for (auto older = newest; older; older = pin(older->position - 1)) {
    if (!damaged(older->position)) return older;
    if (older->position == 0) break;
  }
  return newest;
}

void Leader::End(uint64_t id, std::string_view why) {
  for (const auto& follower : followers_) {
    if (follower->peer.id == id && follower->ended.empty()) follower->ended = why;
  }
}

bool Leader::Accept(std::unique_ptr<ByteStream> stream, FollowRequest request, int64_t now_ms,
                    uint64_t id) {
  // It would be told to begin with nothing, though the journal does not go back to 0 any more.
  if (const Status refused = Check(request); !refused.ok()) {
    LogNotice("Follower (node {}) connected from {}, and is to ask again: {}", request.node_id,
              stream->peer(), refused.message());
    Follower nobody;
    Link::End(Link::Take(std::move(stream), nobody));
    return false;
  }
  // The same server again: what is left of its last connection is of no use.
  if (Follower* const last = Connected(request.node_id)) last->ended = "it has connected anew";
  if (tail_ == nullptr) {
    tail_ = std::make_unique<Tail>(parts_.journal.written(), parts_.settings.tail_bytes);
    parts_.journal.AddSink(tail_.get());
  }
  parts_.journal.NoteShared();
  auto& follower = *followers_.emplace_back(std::make_unique<Follower>());
  Welcome welcome;
  welcome.identity = parts_.journal.identity();
  welcome.node_id = parts_.self.node_id;
  welcome.epochs = parts_.journal.epochs();
  welcome.end = parts_.journal.written();
  const Terms terms = *TermsFor(request);
  welcome.parting = terms.parting;
  if (leads()) {
    set_->NoteOwnHost(HostOf(stream->local()));
  } else {
    welcome.path = parts_.upstream_path();
  }
  follower.peer.address = request.host.empty() ? HostOf(stream->peer()) : request.host;
  follower.peer.port = request.port;
  follower.peer.sent = welcome.parting;
  follower.peer.report.received = follower.peer.report.written = welcome.parting;
  follower.peer.id = id;
  follower.peer.since_ms = follower.peer.heard_ms = now_ms;
  if (!request.trusted) follower.peer.needs = welcome.end;
  auto snapshot = terms.needs_state ? SnapshotFor(request) : std::nullopt;
  if (terms.needs_state) {
    LogNotice(
        "Follower {}:{} (node {}) connected from {}: it has a journal up to {} and {}, so {}",
        follower.peer.address, follower.peer.port, request.node_id, stream->peer(), request.end,
        request.anew ? std::string("cannot go on from its own data")
                     : fmt::format("needs it from {} on, and it begins at {} here", terms.parting,
                                   parts_.journal.first()),
        snapshot ? fmt::format("it fetches the snapshot at {} first", snapshot->position)
                 : "it begins with no data: there is no snapshot, and the journal goes back to 0");
  }
  if (snapshot) {
    welcome.snapshot = snapshot->position;
    fetched_[request.node_id] = {*snapshot, INT64_MAX};
    follower.sender =
        std::make_unique<SnapshotSender>(parts_.disk, parts_.reader, std::move(*snapshot));
  } else if (terms.needs_state) {
    welcome.from_beginning = true;
  } else {
    // It has the snapshot, and goes on from there.
    fetched_.erase(request.node_id);
    LogNotice(
        "Follower {}:{} (node {}) connected from {}: it has the journal up to {}, and gets it "
        "from {} on; it ends at {}",
        follower.peer.address, follower.peer.port, request.node_id, stream->peer(), request.end,
        welcome.parting, parts_.journal.written());
  }
  follower.peer.request = std::move(request);
  follower.link = Link::Take(std::move(stream), follower);
  std::string body;
  welcome.Encode(&body);
  follower.link->Send(MessageType::kWelcome, body);
  // One that must take this journal or a snapshot first, or cut its own, does that and asks again.
  if (terms.takes_journal || terms.needs_state || welcome.parting < follower.peer.request.end) {
    follower.peer.sent = UINT64_MAX;
  } else if (leads()) {
    set_->OnConnected({follower.peer.request.node_id, follower.peer.address, follower.peer.port},
                      welcome.parting, now_ms, follower.peer.request.trusted);
  }
  return true;
}

Status Leader::Follower::OnMessage(MessageType type, std::string_view body) {
  heard = true;
  if (type == MessageType::kFetch && sender != nullptr) {
    const auto request = FetchRequest::Decode(body);
    if (!request) return Status::Error("a request for a piece that is none");
    return sender->OnFetch(*request);
  }
  if (type == MessageType::kGoodbye) {
    goodbye = DecodeGoodbye(body);
    if (!goodbye) return Status::Error("a goodbye that is none");
    ended =
        *goodbye == Goodbye::kReturns ? "it ends" : "it leads itself, or follows another server";
    return {};
  }
  if (type == MessageType::kAskToLead) {
    wish = AskToLead::Decode(body);
    return wish ? Status() : Status::Error("a wish to lead that is none");
  }
  if (type == MessageType::kRefuse) {
    if (body.size() > kMostReasonBytes) return Status::Error("a reason that is too long");
    refusal = body;
    return {};
  }
  if (type == MessageType::kSubscribed) {
    const auto subscribed = DecodeSubscribed(body);
    if (!subscribed) return Status::Error("a message about subscribers that is none");
    subscribes = *subscribed;
    return {};
  }
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

bool Leader::Turn(int64_t now_ms) {
  bool more = false;
  // Followers keep up with what this server writes, however much that is in a turn.
  const Position written = parts_.journal.written();
  most_flushed_ = kMostFlushedBytes + 2 * (written - std::exchange(seen_written_, written));
  for (const auto& follower : followers_) {
    if (std::exchange(follower->heard, false)) TellSet(*follower, now_ms);
  }
  if (leads()) set_->Turn(parts_.journal.safe(), parts_.journal.written(), now_ms);
  if (BeatsNow(now_ms)) Beat(now_ms);
  if (tail_ != nullptr) tail_->set_most_bytes(parts_.settings.tail_bytes);
  ChooseReader(now_ms);
  for (auto it = followers_.begin(); it != followers_.end();) {
    Follower& follower = **it;
    if (follower.ended.empty() && now_ms - follower.peer.heard_ms > parts_.settings.timeout_ms) {
      follower.ended = fmt::format("nothing came from it for {} ms", parts_.settings.timeout_ms);
    }
    if (follower.ended.empty()) more |= Feed(follower);
    // A job may still read for it.
    if (follower.ended.empty() || follower.reading) {
      ++it;
      continue;
    }
    LogNotice("Follower {}:{} (node {}) is gone: {}; it had the journal up to {}",
              follower.peer.address, follower.peer.port, follower.peer.request.node_id,
              follower.ended, follower.peer.report.written);
    if (!follower.goodbye || follower.goodbye == Goodbye::kReturns) {
      away_[follower.peer.request.node_id] = {follower.peer.report.written, now_ms};
    }
    // If it has connected anew, that connection says what stays for it.
    const auto fetched = fetched_.find(follower.peer.request.node_id);
    if (follower.sender != nullptr && fetched != fetched_.end() &&
        Connected(follower.peer.request.node_id) == nullptr) {
      fetched->second.until_ms = now_ms + kKeepSnapshotMs;
    }
    // It may have connected anew.
    if (leads() && Connected(follower.peer.request.node_id) == nullptr) {
      set_->OnGone(follower.peer.request.node_id, follower.goodbye, now_ms);
    }
    publisher_.End(follower.subscriber);
    TellDropped(follower, now_ms);
    Link::End(std::move(follower.link));
    it = followers_.erase(it);
  }
  ForgetAway(now_ms);
  ForgetPublished(now_ms);
  if (followers_.empty() && tail_ != nullptr) {
    parts_.journal.RemoveSink(tail_.get());
    tail_.reset();
  }
  return more;
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
  std::erase_if(fetched_, [&](const auto& each) { return now_ms > each.second.until_ms; });
}

void Leader::TellSet(Follower& follower, int64_t now_ms) {
  follower.peer.heard_ms = now_ms;
  const Report& report = follower.peer.report;
  if (!leads() || !follower.ended.empty() || !follower.peer.online()) return;
  set_->OnProgress(follower.peer.request.node_id,
                   {CountsSynced() ? report.synced : report.written, report.applied, report.heard,
                    report.record},
                   now_ms);
}

void Leader::Await(Position position, bool question) {
  awaited_ = std::max(awaited_, position);
  questioned_ |= question;
}

Leader::Follower* Leader::Connected(std::string_view node_id) const {
  const auto found = std::find_if(followers_.begin(), followers_.end(), [&](const auto& each) {
    return each->ended.empty() && each->peer.request.node_id == node_id;
  });
  return found == followers_.end() ? nullptr : found->get();
}

bool Leader::IsMissing(const Member& member) const {
  return parts_.records.now().journal_id == parts_.journal.identity().id &&
         member.node_id != parts_.self.node_id && Connected(member.node_id) == nullptr;
}

std::vector<Member> Leader::Missing() const {
  std::vector<Member> missing;
  for (const Member& member : parts_.records.now().members) {
    if (IsMissing(member)) missing.push_back(member);
  }
  return missing;
}

bool Leader::misses_any() const {
  const auto& members = parts_.records.now().members;
  return std::any_of(members.begin(), members.end(),
                     [this](const Member& member) { return IsMissing(member); });
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

// A follower hears something well before it takes the silence for the end of the link, also if it
// has a shorter limit than this server.
int64_t Leader::heartbeat_every_ms() const {
  constexpr int64_t kMostMs = 500;
  return std::clamp<int64_t>(parts_.settings.silence_max_ms / 3, 1, kMostMs);
}

int64_t Leader::next_due_ms() const {
  const int64_t due =
      std::min(leads() ? set_->next_due_ms() : std::numeric_limits<int64_t>::max(), read_again_ms_);
  if (followers_.empty()) return due;
  return std::min(due, heartbeat_ms_ + heartbeat_every_ms());
}

Position Leader::hold() const {
  Position hold = UINT64_MAX;
  const Position end = parts_.journal.written();
  for (const auto& follower : followers_) {
    // Of no use to one that fetches a snapshot.
    if (follower->sender != nullptr) continue;
    const Position written = follower->peer.report.written;
    if (end - written <= parts_.settings.hold_max_bytes) hold = std::min(hold, written);
  }
  for (const auto& [node, away] : away_) {
    hold = std::min(hold, away.written);
  }
  // The journal goes on from the snapshots that are fetched.
  for (const auto& [node, fetched] : fetched_) {
    if (end - fetched.snapshot.position > parts_.settings.hold_max_bytes) continue;
    hold = std::min(hold, fetched.snapshot.position);
  }
  return hold;
}

}  // namespace runnel::replication
