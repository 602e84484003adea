#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "commands/arguments.h"
#include "commands/string/commands.h"
#include "data/string_object.h"

namespace runnel::commands {
namespace {

// What two strings have in common: the longest subsequence of both, by the table of the lengths
// that all pairs of prefixes have in common.
class CommonSubsequence {
 public:
  // A run of equal bytes. It begins at these positions.
  struct Match {
    size_t a = 0;
    size_t b = 0;
    size_t size = 0;
  };

  // Takes time for each pair of bytes, and, if the bytes themselves are wanted (`with_path`), a bit
  // of memory. The strings outlive the object.
  CommonSubsequence(std::string_view a, std::string_view b, bool with_path)
      : a_(a), b_(b), words_((b.size() + 63) / 64) {
    if (with_path) up_.resize(a.size() * words_);
    std::vector<uint32_t> above(b.size() + 1);
    std::vector<uint32_t> row(b.size() + 1);
    for (size_t i = 0; i < a.size(); i++) {
      for (size_t j = 0; j < b.size(); j++) {
        if (a[i] == b[j]) {
          row[j + 1] = above[j] + 1;
        } else if (above[j + 1] > row[j]) {
          row[j + 1] = above[j + 1];
          if (with_path) up_[i * words_ + j / 64] |= uint64_t{1} << j % 64;
        } else {
          row[j + 1] = row[j];
        }
      }
      above.swap(row);
    }
    size_ = above[b.size()];
  }

  size_t size() const { return size_; }

  // Gives the runs of equal bytes that make up the subsequence to `visit`, the last one first.
  // REQUIRES: with_path.
  template <class Visit>
  void ForEachMatch(Visit visit) const {
    size_t i = a_.size();
    size_t j = b_.size();
    Match match;
    while (i > 0 && j > 0) {
      if (a_[i - 1] == b_[j - 1]) {
        match = {--i, --j, match.size + 1};
        continue;
      }
      if (match.size > 0) visit(std::exchange(match, {}));
      const bool up = (up_[(i - 1) * words_ + (j - 1) / 64] >> (j - 1) % 64 & 1) != 0;
      up ? i-- : j--;
    }
    if (match.size > 0) visit(match);
  }

 private:
  const std::string_view a_;
  const std::string_view b_;
  const size_t words_;  // of a row of up_
  // For each pair of bytes that differ: whether the first string without this byte has more in
  // common with the second than the other way round.
  std::vector<uint64_t> up_;
  size_t size_ = 0;
};

struct LcsOptions {
  bool only_length = false;
  bool matches = false;
  bool match_lengths = false;
  int64_t least_match = 0;
};

bool ReadLcsOptions(Context& context, LcsOptions* options) {
  for (size_t i = 3; i < context.argc(); i++) {
    const std::string_view option = context.arg(i);
    if (Is(option, "IDX")) {
      options->matches = true;
    } else if (Is(option, "LEN")) {
      options->only_length = true;
    } else if (Is(option, "WITHMATCHLEN")) {
      options->match_lengths = true;
    } else if (Is(option, "MINMATCHLEN") && i + 1 < context.argc()) {
      if (!ReadInteger(context, context.arg(++i), &options->least_match)) return false;
    } else {
      return Fail(context, kSyntaxError);
    }
  }
  if (!options->matches || !options->only_length) return true;
  return Fail(context, "ERR If you want both the length and indexes, please just use IDX.");
}

// The string at the key; nullptr if there is none. Writes the error and returns false for another
// type: here it is no WRONGTYPE.
bool FindLcsString(Context& context, size_t argument, const StringObject** string) {
  const KeyEntry* const entry = context.Find(context.Key(argument));
  *string = entry == nullptr ? nullptr : entry->As<StringObject>();
  return entry == nullptr || *string != nullptr;
}

// Redis takes four bytes for each pair of prefixes, and refuses more than a string may have. Here
// it takes a bit, but as much time.
bool CheckLcsSize(Context& context, uint64_t a, uint64_t b) {
  constexpr uint64_t kLongest = std::numeric_limits<uint32_t>::max() - 1;
  if (a >= kLongest || b >= kLongest) return Fail(context, "ERR String too long for LCS");
  const uint64_t pairs = (a + 1) * (b + 1);
  if (pairs <= context.options().max_bulk_bytes / sizeof(uint32_t)) return true;
  return Fail(context,
              "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
}

void WriteLcsRange(ReplyWriter& reply, size_t begin, size_t size) {
  reply.Array(2);
  reply.Integer(static_cast<int64_t>(begin));
  reply.Integer(static_cast<int64_t>(begin + size - 1));
}

void ReplyMatches(Context& context, const CommonSubsequence& common, const LcsOptions& options) {
  std::vector<CommonSubsequence::Match> matches;
  common.ForEachMatch([&](const CommonSubsequence::Match& match) {
    if (static_cast<int64_t>(match.size) >= options.least_match) matches.push_back(match);
  });
  ReplyWriter& reply = context.reply();
  reply.Map(2);
  reply.Bulk("matches");
  reply.Array(matches.size());
  for (const CommonSubsequence::Match& match : matches) {
    reply.Array(options.match_lengths ? 3 : 2);
    WriteLcsRange(reply, match.a, match.size);
    WriteLcsRange(reply, match.b, match.size);
    if (options.match_lengths) reply.Integer(static_cast<int64_t>(match.size));
  }
  reply.Bulk("len");
  reply.Integer(static_cast<int64_t>(common.size()));
}

void ReplySubsequence(Context& context, const CommonSubsequence& common, std::string_view a) {
  std::string text(common.size(), '\0');
  size_t begin = text.size();
  common.ForEachMatch([&](const CommonSubsequence::Match& match) {
    begin -= match.size;
    text.replace(begin, match.size, a.substr(match.a, match.size));
  });
  context.reply().Bulk(text);
}

}  // namespace

void Lcs(Context& context) {
  const StringObject* first;
  const StringObject* second;
  const bool are_strings = FindLcsString(context, 1, &first);
  if (!FindLcsString(context, 2, &second) || !are_strings) {
    return context.reply().Error("ERR The specified keys must contain string values");
  }
  LcsOptions options;
  if (!ReadLcsOptions(context, &options)) return;
  if (!CheckLcsSize(context, first == nullptr ? 0 : first->size(),
                    second == nullptr ? 0 : second->size())) {
    return;
  }
  const std::string a = first == nullptr ? "" : first->ToString();
  const std::string b = second == nullptr ? "" : second->ToString();
  const CommonSubsequence common(a, b, !options.only_length);
  if (options.matches) return ReplyMatches(context, common, options);
  if (!options.only_length) return ReplySubsequence(context, common, a);
  context.reply().Integer(static_cast<int64_t>(common.size()));
}

}  // namespace runnel::commands
