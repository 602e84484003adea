#include <algorithm>
#include <limits>
#include <utility>

#include "base/planted_fault.h"
#include "env/damage.h"
#include "fmt/format.h"
#include "replication/follower.h"

// The frames of a follower: how they come, are written, applied and reported.

namespace runnel::replication {
namespace {

// What a helper reads of the own journal's files in one go.
constexpr size_t kReadOnBytes = size_t{1} << 20;

}  // namespace

Status Follower::OnBytes(std::string_view body) {
  const auto position = DecodePieceHead(body);
  if (!position || *position != received_) {
    return Status::Error(fmt::format("bytes came that do not continue those before: at {}, not {}",
                                     position.value_or(0), received_));
  }
  std::string_view bytes = body.substr(kPieceHeadBytes);
  received_ += bytes.size();
  if (!partial_.empty()) {
    partial_ += bytes;
    bytes = partial_;
  }
  const auto taken = TakeFrames(bytes);
  if (!taken.ok()) return taken.status();
  if (partial_.empty()) {
    partial_ = bytes.substr(*taken);
  } else {
    partial_.erase(0, *taken);
  }
  return {};
}

Result<size_t> Follower::TakeFrames(std::string_view bytes) {
  journal::Journal& journal = parts_.journal;
  size_t done = 0;
  while (bytes.size() - done >= journal::kFrameHeaderBytes) {
    const std::string_view rest = bytes.substr(done);
    journal::FrameHeader header;
    const Position position = journal.appended();
    if (journal::DecodeHeader(rest, &header) != journal::HeaderKind::kFrame) {
      return Status::Error(fmt::format("what came for position {} is no frame", position));
    }
    if (rest.size() < header.frame_bytes()) break;
    journal::Frame frame;
    if (!journal::DecodeFrame(header, rest, journal.identity().id, &frame)) {
      return Status::Error(
          fmt::format("the checksum of the frame for position {} does not hold", position));
    }
    if (Status appended = journal.AppendForeign(frame, frame.bytes()); !appended.ok()) {
      return appended;
    }
    if (frame.records > 0) data_end_ = frame.end();
    done += header.frame_bytes();
  }
  // The leader waits for the disk, whatever the own policy is.
  if (done > 0 && mark_.synced) journal.RequestSync();
  return done;
}

// Keeps a window of frames in memory. The mark may be far behind, if another member of the in-sync
// set is; what does not fit is read from the files again.
void Follower::Take(Position base, std::string_view frame) {
  const bool fits =
      frames_.empty() || unapplied_bytes_ + frame.size() <= parts_.settings.window_bytes;
  if (base != kept_end_ || !fits) return;
  frames_.emplace_back(frame);
  unapplied_bytes_ += frame.size();
  kept_end_ += frame.size();
}

void Follower::ReadOn() {
  const journal::Journal& journal = parts_.journal;
  const Position limit = journal.written();
  const bool wanted = kept_end_ < std::min(limit, MayApplyTo()) &&
                      unapplied_bytes_ < parts_.settings.window_bytes / 2 + 1;
  if (reading_ || cannot_apply_ || !wanted) return;
  struct Job {
    std::shared_ptr<journal::JournalReader> reader;
    std::function<Result<journal::JournalReader>(Position)> open;
    Position from;
    Position limit;
    std::vector<std::string> frames;
    Status status;
  };
  auto job = std::make_shared<Job>();
  job->reader = std::move(journal_reader_);
  if (job->reader != nullptr && job->reader->position() != kept_end_) job->reader.reset();
  job->open = journal.Reading();
  job->from = kept_end_;
  job->limit = limit;
  reading_ = true;
  parts_.reader.Run(
      [job] {
        size_t bytes = 0;
        job->status = journal::ReadFrames(job->open, job->from, job->limit, &job->reader,
                                          [&](const journal::Frame& frame) {
                                            job->frames.emplace_back(frame.bytes());
                                            bytes += frame.bytes().size();
                                            return bytes < kReadOnBytes;
                                          });
      },
      [this, job, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        reading_ = false;
        if (!job->status.ok()) {
          cannot_apply_ = true;
          const std::string why = "the own journal cannot be read: " + job->status.message();
          const bool damaged = IsDamage(job->status);
          if (damaged) own_damage_ = why;
          return Drop(why, !damaged);
        }
        journal_reader_ = job->reader;
        for (std::string& frame : job->frames) {
          unapplied_bytes_ += frame.size();
          kept_end_ += frame.size();
          frames_.push_back(std::move(frame));
        }
      });
}

// What is below the leader's mark; if the server is to lead, everything.
Position Follower::MayApplyTo() const {
  const bool all = applies_all_ || IsPlanted(PlantedFault::kApplyBeyondTheMark);
  return all ? std::numeric_limits<Position>::max() : known_mark_;
}

// The mark is the least position that all members of the set have. If this server is none of them,
// the others are not said to have more than the mark.
void Follower::RaiseMark() {
  const Report standing = Standing();
  const Position has = mark_.synced ? standing.synced : standing.written;
  known_mark_ = std::max({known_mark_, mark_.high_watermark, std::min(mark_.others, has)});
}

// Whether the oldest frame may be applied.
bool Follower::CanApply() const {
  return !frames_.empty() && applied_ + frames_.front().size() <= MayApplyTo();
}

// Returns whether there is more to apply now.
bool Follower::Apply(int64_t until_us) {
  if (cannot_apply_) return false;
  while (CanApply()) {
    // The reader wakes the loop.
    if (!cold_ahead_.Ready(frames_, applied_, MayApplyTo())) return false;
    const std::string_view bytes = frames_.front();
    journal::FrameHeader header;
    journal::DecodeHeader(bytes, &header);
    journal::Frame frame;
    frame.epoch = header.epoch;
    frame.base = header.base;
    frame.records = header.records;
    frame.payload = bytes.substr(journal::kFrameHeaderBytes);
    if (Status applied = applier_.Apply(frame); !applied.ok()) {
      const std::string why =
          applier_.met_unknown_effect()
              ? applied.message() + ": the leader is of a newer version; update this server"
              : applied.message();
      cannot_apply_ = true;
      Drop(fmt::format("the frame at position {} cannot be applied: {}", frame.base, why), true);
      return false;
    }
    applied_ = frame.end();
    cold_ahead_.NoteApplied(applied_);
    unapplied_bytes_ -= bytes.size();
    frames_.pop_front();
    inbox_.OnApplied(applied_);
    if (parts_.clock.SteadyMicros() >= until_us) break;
  }
  return CanApply();
}

// Reads nothing more from the link while too much is not written, or not applied though it may be
// (what does not fit into memory would be read from the files again), or old entries are written to
// files more slowly than they come.
void Follower::HoldBack(bool held_up) {
  const journal::Journal& journal = parts_.journal;
  const uint64_t window = parts_.settings.window_bytes;
  const Position limit = held_up ? journal.appended() : std::min(journal.appended(), MayApplyTo());
  const bool applies = !cannot_apply_ && limit > applied_ && limit - applied_ > window;
  const bool too_much = journal.appended() - journal.written() > window || applies;
  if (link_ != nullptr && too_much != held_back_) {
    held_back_ = too_much;
    too_much ? link_->PauseReading() : link_->ResumeReading();
  }
}

void Follower::PrepareToLead() {
  applies_all_ = true;
  state_to_take_.reset();
  cut_to_.reset();
  if (state_ != State::kStopped && !takes_over_) Drop("this server is to lead", true);
}

Report Follower::Standing() const {
  const journal::Journal& journal = parts_.journal;
  // To have is what the own policy calls safe: else `always` would not mean that a power cut takes
  // nothing of what this server has told.
  const Position has =
      IsPlanted(PlantedFault::kTellTheUnsynced) ? journal.written() : journal.safe();
  return {received_,
          has,
          std::min(journal.durable(), has),
          std::min(applied_, has),
          heartbeat_.number,
          parts_.kept_record(leader_epoch())};
}

// Whether somebody waits for the answer to a heartbeat that is not yet reported.
bool Follower::IsAwaited() const {
  return heartbeat_.urgent && heartbeat_.number > reported_.heard;
}

void Follower::SayGoodbye(Goodbye goodbye) {
  if (!link_up() || !ended_.empty() || std::exchange(said_goodbye_, true)) return;
  const char kind = static_cast<char>(goodbye);
  link_->Send(MessageType::kGoodbye, std::string_view(&kind, 1));
  link_->Flush();
}

// Nothing that is published is sent to a server where nobody subscribes.
void Follower::MaySubscribe() {
  if (parts_.wants_published() == subscribed_) return;
  subscribed_ = !subscribed_;
  const char body = subscribed_ ? 1 : 0;
  link_->Send(MessageType::kSubscribed, std::string_view(&body, 1));
  link_->Flush();
}

bool Follower::IsNews(const Report& report) const {
  return report.received > reported_.received || report.written > reported_.written ||
         report.synced > reported_.synced || report.applied > reported_.applied ||
         report.heard > reported_.heard || report.record != reported_.record;
}

// At once if somebody waits for it, else from time to time.
void Follower::MayReport(int64_t now_ms) {
  const Report report = Standing();
  const auto reaches = [&](Position before, Position now) {
    return before < mark_.report_at && now >= mark_.report_at;
  };
  // What may be applied already needs no answer of the leader.
  const bool awaits_mark = report.written > known_mark_ && parts_.awaited();
  const bool awaited = reaches(reported_.written, report.written) ||
                       reaches(reported_.synced, report.synced) || IsAwaited() ||
                       (report.written > reported_.written && awaits_mark) ||
                       report.record != reported_.record;
  // The leader sends no more than a window.
  const bool much = report.received - reported_.received >= parts_.settings.window_bytes / 2;
  const bool due = now_ms - reported_ms_ >= kReportEveryMs && IsNews(report);
  // One that is held back is slow, and not dead.
  const bool alive = held_back_ && now_ms - reported_ms_ >= alive_every_ms();
  if (!awaited && !much && !due && !alive) return;
  reported_ = report;
  reported_ms_ = now_ms;
  std::string body;
  report.Encode(&body);
  link_->Send(MessageType::kReport, body);
  link_->Flush();
}

}  // namespace runnel::replication
