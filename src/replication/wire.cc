#include "replication/wire.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/coding.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

bool IsKnown(uint8_t type) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::kWelcome:
    case MessageType::kBytes:
    case MessageType::kMark:
    case MessageType::kHeartbeat:
    case MessageType::kRecord:
    case MessageType::kFiles:
    case MessageType::kFilePiece:
    case MessageType::kTakeOver:
    case MessageType::kNewLeader:
    case MessageType::kPublished:
    case MessageType::kPublishedMore:
    case MessageType::kReport:
    case MessageType::kGoodbye:
    case MessageType::kFetch:
    case MessageType::kAskToLead:
    case MessageType::kRefuse:
    case MessageType::kSubscribed:
      return true;
  }
  return false;
}

std::string ToText(const journal::EpochHistory& epochs) {
  std::string text;
  for (const auto& row : epochs.rows()) {
    text += fmt::format("{}{:x}:{}", text.empty() ? "" : ",", row.epoch, row.begin);
  }
  return text.empty() ? "-" : text;
}

template <class T>
bool ReadNumber(std::string_view text, int base, T* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && stop == text.data() + text.size();
}

bool ReadEpochs(std::string_view text, journal::EpochHistory* epochs) {
  if (text == "-") return true;
  for (size_t rows = 0; !text.empty(); rows++) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    const size_t colon = part.find(':');
    if (colon == std::string_view::npos || rows == journal::EpochHistory::kMostRows) return false;
    journal::EpochHistory::Row row;
    if (!ReadNumber(part.substr(0, colon), 16, &row.epoch)) return false;
    if (!ReadNumber(part.substr(colon + 1), 10, &row.begin)) return false;
    const auto& before = epochs->rows();
    if (!before.empty() && (row.epoch <= before.back().epoch || row.begin < before.back().begin)) {
      return false;
    }
    epochs->Note(row.epoch, row.begin);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

// What a welcome says of the follower's state.
constexpr uint8_t kGoesOn = 0;
constexpr uint8_t kSnapshotComes = 1;
constexpr uint8_t kFromBeginning = 2;

// What goes into logs and into INFO, where it must not look like something else.
bool ReadName(std::string_view text, std::string* value) {
  constexpr size_t kMostBytes = 255;
  const bool good = text.size() <= kMostBytes && std::all_of(text.begin(), text.end(), [](char c) {
                      return c > ' ' && c <= '~' && c != ',' && c != '=';
                    });
  if (good) *value = text;
  return good;
}

}  // namespace

void AppendMessageHeader(MessageType type, size_t body_bytes, std::string* out) {
  Encoder encoder(out);
  encoder.Byte(static_cast<uint8_t>(type));
  encoder.Fixed(static_cast<uint32_t>(body_bytes));
}

Result<MessageHeader> DecodeMessageHeader(std::string_view input) {
  Decoder in(input);
  const uint8_t type = in.Byte();
  const uint32_t bytes = in.Fixed<uint32_t>();
  if (!IsKnown(type)) return Status::Error(fmt::format("a message of the unknown type {}", type));
  if (bytes > kMostBodyBytes) {
    return Status::Error(fmt::format("a message of {} bytes, more than {}", bytes, kMostBodyBytes));
  }
  return MessageHeader{static_cast<MessageType>(type), bytes};
}

// --- The request ---

std::vector<std::string> FollowRequest::ToWords() const {
  std::vector<std::string> words = {"REPLICATION",
                                    "FOLLOW",
                                    std::to_string(version),
                                    "JOURNAL",
                                    fmt::format("{:x}", journal_id),
                                    "DATA",
                                    has_data ? "1" : "0",
                                    "ANEW",
                                    anew ? "1" : "0",
                                    "FORCED",
                                    forced ? "1" : "0",
                                    "NODE",
                                    node_id,
                                    "RUN",
                                    run_id,
                                    "DATABASES",
                                    std::to_string(databases),
                                    "EFFECTS",
                                    std::to_string(effects),
                                    "END",
                                    std::to_string(end),
                                    "EPOCHS",
                                    ToText(epochs),
                                    "TRUSTED",
                                    trusted ? "1" : "0",
                                    "RECOVERS",
                                    recovers ? "1" : "0",
                                    "HOST",
                                    host,
                                    "PORT",
                                    std::to_string(port)};
  if (without) words.insert(words.end(), {"WITHOUT", std::to_string(*without)});
  return words;
}

Result<FollowRequest> FollowRequest::FromWords(std::span<const std::string_view> args) {
  FollowRequest request;
  if (args.empty() || !ReadNumber(args[0], 10, &request.version)) {
    return Status::Error("the version of the protocol is missing");
  }
  if (args.size() % 2 == 0) return Status::Error("a name has no value");
  for (size_t i = 1; i < args.size(); i += 2) {
    const std::string_view name = args[i];
    const std::string_view value = args[i + 1];
    bool good = true;
    if (name == "JOURNAL") {
      good = ReadNumber(value, 16, &request.journal_id);
    } else if (name == "DATA") {
      request.has_data = value != "0";
    } else if (name == "ANEW") {
      request.anew = value != "0";
    } else if (name == "FORCED") {
      request.forced = value != "0";
    } else if (name == "NODE") {
      good = ReadName(value, &request.node_id);
    } else if (name == "RUN") {
      good = ReadName(value, &request.run_id);
    } else if (name == "DATABASES") {
      good = ReadNumber(value, 10, &request.databases);
    } else if (name == "EFFECTS") {
      good = ReadNumber(value, 10, &request.effects);
    } else if (name == "END") {
      good = ReadNumber(value, 10, &request.end);
    } else if (name == "EPOCHS") {
      good = ReadEpochs(value, &request.epochs);
    } else if (name == "TRUSTED") {
      request.trusted = value != "0";
    } else if (name == "RECOVERS") {
      request.recovers = value != "0";
    } else if (name == "HOST") {
      good = ReadName(value, &request.host);
    } else if (name == "PORT") {
      good = ReadNumber(value, 10, &request.port);
    } else if (name == "WITHOUT") {
      good = ReadNumber(value, 10, &request.without.emplace());
    }
    if (!good) return Status::Error(fmt::format("the value of {} is none: '{}'", name, value));
  }
  if (request.node_id.empty()) return Status::Error("NODE is missing");
  return request;
}

// --- Messages ---

void Welcome::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Varint(version);
  encoder.Fixed(identity.id);
  encoder.Varint(identity.salted_from);
  encoder.Bytes(node_id);
  epochs.Encode(&encoder);
  encoder.Varint(parting);
  encoder.Byte(snapshot ? kSnapshotComes : from_beginning ? kFromBeginning : kGoesOn);
  encoder.Varint(snapshot.value_or(0));
  encoder.Varint(end);
  encoder.Varint(path.size());
  for (const std::string& node : path) {
    encoder.Bytes(node);
  }
}

std::optional<Welcome> Welcome::Decode(std::string_view body) {
  Decoder in(body);
  Welcome welcome;
  welcome.version = in.Varint();
  welcome.identity.id = in.Fixed<uint64_t>();
  welcome.identity.salted_from = in.Varint();
  welcome.node_id = in.Bytes();
  welcome.epochs = journal::EpochHistory::Load(&in);
  welcome.parting = in.Varint();
  const uint8_t state = in.Byte();
  const Position snapshot = in.Varint();
  welcome.end = in.Varint();
  if (state > kFromBeginning) return std::nullopt;
  if (state == kSnapshotComes) welcome.snapshot = snapshot;
  welcome.from_beginning = state == kFromBeginning;
  const uint64_t path = in.Varint();
  for (uint64_t i = 0; i < path && in.ok(); i++) {
    if (i == kMostPath || !ReadName(in.Bytes(), &welcome.path.emplace_back())) return std::nullopt;
  }
  // A later version may say more.
  if (!in.ok() || welcome.identity.id == 0) return std::nullopt;
  return welcome;
}

void Mark::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Fixed(high_watermark);
  encoder.Fixed(others);
  encoder.Fixed(report_at);
  encoder.Byte(synced ? 1 : 0);
}

std::optional<Mark> Mark::Decode(std::string_view body) {
  Decoder in(body);
  Mark mark;
  mark.high_watermark = in.Fixed<uint64_t>();
  mark.others = in.Fixed<uint64_t>();
  mark.report_at = in.Fixed<uint64_t>();
  mark.synced = in.Byte() != 0;
  if (!in.ok()) return std::nullopt;
  return mark;
}

void Report::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Fixed(received);
  encoder.Fixed(written);
  encoder.Fixed(synced);
  encoder.Fixed(applied);
  encoder.Fixed(heard);
  encoder.Fixed(record);
}

std::optional<Report> Report::Decode(std::string_view body) {
  Decoder in(body);
  Report report;
  report.received = in.Fixed<uint64_t>();
  report.written = in.Fixed<uint64_t>();
  report.synced = in.Fixed<uint64_t>();
  report.applied = in.Fixed<uint64_t>();
  report.heard = in.Fixed<uint64_t>();
  report.record = in.Fixed<uint64_t>();
  if (!in.ok()) return std::nullopt;
  return report;
}

bool IsSyncPath(std::string_view path) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view directory = path.substr(0, slash);
  const std::string_view name = path.substr(slash + 1);
  constexpr size_t kMostNameBytes = 64;
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
  });
  return (directory == "snapshots" || directory == "streams") && good && !name.empty() &&
         name.front() != '.' && name.size() <= kMostNameBytes;
}

void FileList::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Byte(last ? 1 : 0);
  encoder.Varint(files.size());
  for (const SyncFile& file : files) {
    encoder.Bytes(file.path);
    encoder.Varint(file.bytes);
  }
}

std::optional<FileList> FileList::Decode(std::string_view body) {
  Decoder in(body);
  FileList list;
  list.last = in.Byte() != 0;
  const uint64_t count = in.Varint();
  for (uint64_t i = 0; i < count && in.ok(); i++) {
    SyncFile file;
    file.path = in.Bytes();
    file.bytes = in.Varint();
    if (!in.ok() || !IsSyncPath(file.path) || file.bytes == 0) return std::nullopt;
    list.files.push_back(std::move(file));
  }
  if (!in.ok()) return std::nullopt;
  return list;
}

void FetchRequest::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Varint(file);
  encoder.Varint(offset);
  encoder.Varint(bytes);
}

std::optional<FetchRequest> FetchRequest::Decode(std::string_view body) {
  Decoder in(body);
  FetchRequest request;
  request.file = in.Varint();
  request.offset = in.Varint();
  request.bytes = in.Varint();
  if (!in.ok()) return std::nullopt;
  return request;
}

void FilePiece::EncodeHead(std::string* out) const {
  Encoder encoder(out);
  encoder.Varint(file);
  encoder.Varint(offset);
  encoder.Fixed(Checksum(bytes));
}

void FilePiece::Encode(std::string* out) const {
  EncodeHead(out);
  *out += bytes;
}

std::optional<FilePiece> FilePiece::Decode(std::string_view body) {
  Decoder in(body);
  FilePiece piece;
  piece.file = in.Varint();
  piece.offset = in.Varint();
  const auto checksum = in.Fixed<uint64_t>();
  if (!in.ok()) return std::nullopt;
  piece.bytes = body.substr(in.position());
  if (Checksum(piece.bytes) != checksum) return std::nullopt;
  return piece;
}

void AppendPieceHead(Position position, std::string* out) {
  Encoder(out).Fixed(position);
}

std::optional<Position> DecodePieceHead(std::string_view body) {
  if (body.size() <= kPieceHeadBytes) return std::nullopt;
  Decoder in(body);
  return in.Fixed<uint64_t>();
}

std::optional<Goodbye> DecodeGoodbye(std::string_view body) {
  Decoder in(body);
  const uint8_t kind = in.Byte();
  if (!in.ok()) return std::nullopt;
  switch (static_cast<Goodbye>(kind)) {
    case Goodbye::kReturns:
    case Goodbye::kLeads:
      return static_cast<Goodbye>(kind);
    case Goodbye::kForGood:
      break;
  }
  return Goodbye::kForGood;
}

// --- Handing over ---

void TakeOver::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Fixed(end);
  encoder.Byte(forced ? 1 : 0);
}

std::optional<TakeOver> TakeOver::Decode(std::string_view body) {
  Decoder in(body);
  TakeOver take_over;
  take_over.end = in.Fixed<uint64_t>();
  take_over.forced = in.Byte() != 0;
  if (!in.ok()) return std::nullopt;
  return take_over;
}

void NewLeader::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Bytes(host);
  encoder.Varint(port);
}

std::optional<NewLeader> NewLeader::Decode(std::string_view body) {
  Decoder in(body);
  NewLeader leader;
  const std::string_view host = in.Bytes();
  const uint64_t port = in.Varint();
  if (!in.ok() || host.empty() || !ReadName(host, &leader.host)) return std::nullopt;
  if (port == 0 || port > std::numeric_limits<uint16_t>::max()) return std::nullopt;
  leader.port = static_cast<uint16_t>(port);
  return leader;
}

void AskToLead::Encode(std::string* out) const {
  Encoder(out).Varint(wait_ms);
}

std::optional<AskToLead> AskToLead::Decode(std::string_view body) {
  Decoder in(body);
  const uint64_t wait_ms = in.Varint();
  if (!in.ok() || wait_ms > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return AskToLead{static_cast<uint32_t>(wait_ms)};
}

std::optional<NewLeader> LeaderInRefusal(std::string_view refusal) {
  if (!refusal.starts_with(kHandedOver)) return std::nullopt;
  const std::string_view rest = refusal.substr(kHandedOver.size());
  const size_t second = rest.find(' ', 1);
  if (!rest.starts_with(' ') || second == std::string_view::npos) return std::nullopt;
  const std::string_view port = rest.substr(second + 1, rest.find(' ', second + 1) - second - 1);
  NewLeader leader;
  const bool good = second > 1 && ReadName(rest.substr(1, second - 1), &leader.host) &&
                    ReadNumber(port, 10, &leader.port) && leader.port != 0;
  return good ? std::optional(leader) : std::nullopt;
}

// --- Chains ---

std::string NotLeading::ToWords() const {
  std::string text(follows_you ? kFollowsYou : kNotLeading);
  for (const std::string& node : path) {
    text += fmt::format("{}{}", &node == &path.front() ? " " : ",", node);
  }
  return follows_you ? fmt::format("{} {}", text, yields ? 1 : 0) : text;
}

std::optional<NotLeading> NotLeading::InRefusal(std::string_view refusal) {
  const auto next = [&refusal](char end) {
    const size_t size = std::min(refusal.find(end), refusal.size());
    const std::string_view word = refusal.substr(0, size);
    refusal.remove_prefix(std::min(size + 1, refusal.size()));
    return word;
  };
  NotLeading found;
  const std::string_view kind = next(' ');
  found.follows_you = kind == kFollowsYou;
  if (!found.follows_you && kind != kNotLeading) return std::nullopt;
  for (std::string_view nodes = next(' '); !nodes.empty();) {
    const size_t size = std::min(nodes.find(','), nodes.size());
    const bool good = size > 0 && ReadName(nodes.substr(0, size), &found.path.emplace_back());
    if (!good || found.path.size() > kMostPath) return std::nullopt;
    nodes.remove_prefix(std::min(size + 1, nodes.size()));
  }
  if (found.path.empty()) return std::nullopt;
  found.yields = found.follows_you && next(' ') == "1";
  return found;
}

void Heartbeat::Encode(std::string* out) const {
  Encoder encoder(out);
  encoder.Fixed(number);
  encoder.Byte(urgent ? 1 : 0);
}

std::optional<Heartbeat> Heartbeat::Decode(std::string_view body) {
  Decoder in(body);
  Heartbeat heartbeat;
  heartbeat.number = in.Fixed<uint64_t>();
  heartbeat.urgent = in.Byte() != 0;
  if (!in.ok()) return std::nullopt;
  return heartbeat;
}

}  // namespace runnel::replication
