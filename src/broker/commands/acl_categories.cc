#include "broker/commands/acl_categories.h"

#include <algorithm>

#include "base/text.h"

namespace runnel {
namespace {

constexpr std::string_view kCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

}  // namespace

std::span<const std::string_view> AclCategories() {
  return kCategories;
}

std::vector<std::string_view> AclCategoriesOf(const CommandSpec& spec) {
  const struct {
    bool holds;
    std::string_view name;
  } rules[] = {
      {(spec.categories & kAclKeyspace) != 0, "keyspace"},
      {(spec.flags & kReadOnly) != 0, "read"},
      {(spec.flags & kWrite) != 0, "write"},
      {(spec.categories & kAclSet) != 0, "set"},
      {(spec.categories & kAclSortedSet) != 0, "sortedset"},
      {(spec.categories & kAclList) != 0, "list"},
      {(spec.categories & kAclHash) != 0, "hash"},
      {(spec.categories & kAclString) != 0, "string"},
      {(spec.categories & kAclBitmap) != 0, "bitmap"},
      {(spec.categories & kAclStream) != 0, "stream"},
      {(spec.flags & kPubSub) != 0, "pubsub"},
      {(spec.flags & kAdmin) != 0 || (spec.categories & kAclAdmin) != 0, "admin"},
      {(spec.flags & kFast) != 0, "fast"},
      {(spec.flags & kFast) == 0, "slow"},
      {(spec.flags & kBlocking) != 0, "blocking"},
      {(spec.flags & kAdmin) != 0 || (spec.categories & kAclDangerous) != 0, "dangerous"},
      {(spec.categories & kAclConnection) != 0, "connection"},
      {(spec.categories & kAclTransaction) != 0, "transaction"},
      {(spec.categories & kAclScripting) != 0, "scripting"},
  };
  std::vector<std::string_view> names;
  for (const auto& rule : rules) {
    if (rule.holds) names.push_back(rule.name);
  }
  return names;
}

bool IsInAclCategory(const CommandSpec& spec, std::string_view category) {
  const std::vector<std::string_view> names = AclCategoriesOf(spec);
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return EqualsIgnoreCase(name, category); });
}

}  // namespace runnel
