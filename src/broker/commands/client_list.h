#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker_host.h"
#include "broker/session.h"
#include "broker/settings.h"

// Sessions as clients see them: the lines of CLIENT LIST, the kinds of clients, and which clients a
// filter means.

namespace runnel {

// The name of the only user.
inline constexpr std::string_view kDefaultUser = "default";

inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";
// Whether the text may stand in a line of CLIENT LIST: printable ASCII without blanks.
bool IsClientWord(std::string_view text);

// Bytes of memory that the server holds for the session: itself, its input, and the replies that
// have not left.
size_t SessionMemory(const Session& session);

// The session as CLIENT LIST shows it, with the end of line.
std::string DescribeSession(const Session& session, const Settings& settings, int64_t now_ms);
// The same for a connection to another server.
std::string DescribeLink(const ServerLink& link);

// What TYPE means in CLIENT LIST and CLIENT KILL. Masters and replicas are connections between
// servers.
enum class ClientType : uint8_t { kNormal, kMaster, kReplica, kPubSub };
std::optional<ClientType> ParseClientType(std::string_view name);
ClientType TypeOf(const Session& session);
ClientType TypeOf(const ServerLink& link);

// Sessions that CLIENT KILL means; a field that was not given takes all.
struct ClientFilter {
  std::optional<uint64_t> id;
  std::optional<ClientType> type;
  std::optional<std::string_view> user;
  std::optional<std::string_view> peer;
  std::optional<std::string_view> local;
  int64_t min_age_s = 0;

  bool Takes(const Session& session, int64_t now_ms) const;
  bool Takes(const ServerLink& link) const;
};

}  // namespace runnel
