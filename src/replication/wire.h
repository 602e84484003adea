#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "journal/epochs.h"
#include "journal/frame.h"

// What two servers say to each other. README.md shows the bytes.
//
// A follower asks in the clients' protocol, with the command REPLICATION FOLLOW. The answer is an
// error in that protocol, or a welcome: from then on both send messages.

namespace runnel::replication {

inline constexpr uint64_t kProtocolVersion = 1;

// A message is a byte with its type, four bytes with the size of its body, and the body. No type is
// a byte with which a reply of the clients' protocol begins.
inline constexpr size_t kMessageHeaderBytes = 5;
// Frames are cut into pieces of at most this size, and no other message is as large.
inline constexpr size_t kMostPieceBytes = size_t{1} << 20;
inline constexpr size_t kMostBodyBytes = kMostPieceBytes + 64;

enum class MessageType : uint8_t {
  // From the leader:
  kWelcome = 1,         // Welcome
  kBytes = 2,           // a position and bytes of the journal from there on
  kMark = 3,            // Mark
  kHeartbeat = 4,       // Heartbeat
  kRecord = 5,          // ClusterRecord
  kFiles = 6,           // FileList
  kFilePiece = 7,       // FilePiece
  kTakeOver = 8,        // TakeOver
  kNewLeader = 9,       // NewLeader
  kPublished = 10,      // the beginning of a published message: published.h
  kPublishedMore = 11,  // what comes next of it
  // From the follower:
  kReport = 16,      // Report
  kGoodbye = 17,     // Goodbye: it leaves
  kFetch = 18,       // FetchRequest
  kAskToLead = 19,   // AskToLead
  kRefuse = 20,      // the reason, as text: it does not take over
  kSubscribed = 21,  // whether somebody subscribes there: published messages are sent from now on
};

void AppendMessageHeader(MessageType type, size_t body_bytes, std::string* out);

struct MessageHeader {
  MessageType type;
  size_t body_bytes = 0;
};
// `input` has kMessageHeaderBytes. Fails if the type is unknown or the body would be too large.
Result<MessageHeader> DecodeMessageHeader(std::string_view input);

// What the follower asks: the arguments of REPLICATION FOLLOW.
struct FollowRequest {
  uint64_t version = kProtocolVersion;
  uint64_t journal_id = 0;
  bool has_data = true;  // if not, it takes the leader's journal, whatever its own is
  // It cannot go on from its own data: it needs a state of the leader in the place of that.
  bool anew = false;
  // A person has said that it takes what the leader has, even if its own data has nothing in common
  // with that.
  bool forced = false;
  std::string node_id;
  std::string run_id;
  uint32_t databases = 0;
  uint32_t effects = 0;  // kEffectsVersion
  Position end = 0;      // of its journal
  journal::EpochHistory epochs;
  // Its journal holds all that it has ever told others that it has (Journal::trusted).
  bool trusted = true;
  // It does not want to follow. It leads this journal, and only wants to have what it may have lost
  // of its end.
  bool recovers = false;
  std::string host;  // where clients reach it; empty: the address that it connects from
  uint16_t port = 0;
  // What came of the leader's snapshot at this position was damaged: another one is better.
  std::optional<Position> without;

  // The words of the command, REPLICATION FOLLOW included.
  std::vector<std::string> ToWords() const;
  // `args` follow REPLICATION FOLLOW. Fails if a value is missing or is none. Names that are not
  // known here are passed over: a later version may have sent them.
  static Result<FollowRequest> FromWords(std::span<const std::string_view> args);
};

// The leader's answer.
struct Welcome {
  uint64_t version = kProtocolVersion;
  journal::Identity identity;  // of the journal
  std::string node_id;
  journal::EpochHistory epochs;
  // Where the two journals part: the leader sends from here on. If it is below the follower's end,
  // the follower must cut first, and ask again.
  Position parting = 0;
  // The follower cannot go on from its own state: it fetches the leader's snapshot at this position
  // first, and asks again.
  std::optional<Position> snapshot;
  // As for a snapshot, but there is none: the follower begins with no data, and asks again. It gets
  // the journal from 0 on.
  bool from_beginning = false;
  // Where the leader's journal ends now.
  Position end = 0;
  // The node ids of the servers that this one follows, one after the other, the last of which
  // leads. Empty: this one leads.
  std::vector<std::string> path;

  // Whether something takes the place of the follower's state. Then `parting` says what of its
  // journal the leader has, too; it is 0 if the journals have nothing in common.
  bool gives_state() const { return snapshot || from_beginning; }

  void Encode(std::string* out) const;
  static std::optional<Welcome> Decode(std::string_view body);
};

// How far changes may be applied.
struct Mark {
  Position high_watermark = 0;
  // Every other member of the in-sync set has this, the leader included, and whoever joins will
  // have it: what the follower has of it is below the mark, before the leader knows so.
  Position others = 0;
  // Somebody waits until the follower has this: it reports at once when it does.
  Position report_at = 0;
  // To have means to have synced; else, to have written.
  bool synced = false;

  bool operator==(const Mark&) const = default;

  void Encode(std::string* out) const;
  static std::optional<Mark> Decode(std::string_view body);
};

// How far the follower is.
struct Report {
  Position received = 0;  // the last frame of it may not be whole
  Position written = 0;
  Position synced = 0;
  Position applied = 0;
  uint64_t heard = 0;  // the number of the last heartbeat
  // The version of the record of members that this leader has sent and the follower's disk has; 0:
  // none.
  uint64_t record = 0;

  bool operator==(const Report&) const = default;
  void Encode(std::string* out) const;
  static std::optional<Report> Decode(std::string_view body);
};

// --- A full sync: see snapshot_transfer.h ---

// A file of a snapshot: its path as in the leader's directory, and how many of its bytes belong to
// the snapshot.
struct SyncFile {
  std::string path;
  uint64_t bytes = 0;

  bool operator==(const SyncFile&) const = default;
};
// Whether a file of this path may be written: `snapshots/` or `streams/` and the name of a file as
// servers give them.
bool IsSyncPath(std::string_view path);

// Files that the follower may ask for, numbered from 0 in their order, over several lists.
struct FileList {
  std::vector<SyncFile> files;
  bool last = false;

  void Encode(std::string* out) const;
  // Nothing also if a path or a size is none.
  static std::optional<FileList> Decode(std::string_view body);
};

struct FetchRequest {
  uint64_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;  // at most kMostPieceBytes

  void Encode(std::string* out) const;
  static std::optional<FetchRequest> Decode(std::string_view body);
};

// The answer. It has a checksum.
struct FilePiece {
  uint64_t file = 0;
  uint64_t offset = 0;
  std::string_view bytes;

  // What comes before the bytes, the checksum included.
  void EncodeHead(std::string* out) const;
  void Encode(std::string* out) const;
  // The bytes point into `body`. Nothing also if the checksum does not hold.
  static std::optional<FilePiece> Decode(std::string_view body);
};

// The body of kGoodbye, one byte.
enum class Goodbye : uint8_t {
  kReturns = 0,  // it ends, and means to come back
  kForGood = 1,  // it leads itself now, or follows another server
  kLeads = 2,    // it has taken over, as it was told to, and leads
};
std::optional<Goodbye> DecodeGoodbye(std::string_view body);

// The body of kBytes is this and the bytes.
inline constexpr size_t kPieceHeadBytes = 8;
void AppendPieceHead(Position position, std::string* out);
std::optional<Position> DecodePieceHead(std::string_view body);

// The leader makes no changes any more: the follower is to lead in its place. The follower answers
// with Goodbye::kLeads when it does, or with kRefuse.
struct TakeOver {
  Position end = 0;     // of the leader's journal
  bool forced = false;  // the follower may have less than that

  bool operator==(const TakeOver&) const = default;

  void Encode(std::string* out) const;
  static std::optional<TakeOver> Decode(std::string_view body);
};

// The leader has handed over to this server, which leads now.
struct NewLeader {
  std::string host;  // where clients reach it
  uint16_t port = 0;

  bool operator==(const NewLeader&) const = default;

  void Encode(std::string* out) const;
  static std::optional<NewLeader> Decode(std::string_view body);
};

// Somebody wants the follower to lead: the leader is to hand over to it.
struct AskToLead {
  uint32_t wait_ms = 0;  // the follower waits for so long

  void Encode(std::string* out) const;
  static std::optional<AskToLead> Decode(std::string_view body);
};

// A reason is not longer than this.
inline constexpr size_t kMostReasonBytes = 1024;

// What a refusal of REPLICATION FOLLOW begins with if the server that asks is to do something about
// it; else it is for people.
//
// This server follows the one that asks: see NotLeading.
inline constexpr std::string_view kFollowsYou = "FOLLOWSYOU";
// This server follows another one, and takes no followers: see NotLeading.
inline constexpr std::string_view kNotLeading = "NOTLEADING";
// This server has handed over; a host and a port follow.
inline constexpr std::string_view kHandedOver = "NEWLEADER";
// The leader that such a refusal names.
std::optional<NewLeader> LeaderInRefusal(std::string_view refusal);

// A path of servers, each of which follows the next, has at most so many: so those that follow each
// other in a ring, or would, are found out.
inline constexpr size_t kMostPath = 16;

// What a server that does not lead says of itself when it refuses.
struct NotLeading {
  // The node ids of itself, of the server that it follows, and so on, as far as it knows.
  std::vector<std::string> path;
  // It follows the one that asks, and its journal holds nothing that the other one's does not.
  bool follows_you = false;
  // And of the two, the one that asks is to lead if nobody else does.
  bool yields = false;

  bool operator==(const NotLeading&) const = default;

  // The beginning of the refusal; a sentence follows.
  std::string ToWords() const;
  static std::optional<NotLeading> InRefusal(std::string_view refusal);
};

// A number that the follower reports.
struct Heartbeat {
  uint64_t number = 0;  // greater than that before
  bool urgent = false;  // somebody waits for the report

  void Encode(std::string* out) const;
  static std::optional<Heartbeat> Decode(std::string_view body);
};

}  // namespace runnel::replication
