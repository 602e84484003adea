#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::bench {

// What a scanner has seen, enough to tell whether the server did the work that it was asked for.
struct ReplyCounts {
  uint64_t replies = 0;  // whole top-level replies, without pushes
  uint64_t pushes = 0;   // whole RESP3 push messages
  uint64_t errors = 0;   // error values
  uint64_t bulks = 0;    // bulk strings that are not null, at any depth
  int64_t integers = 0;  // sum of the replies that are one integer

  void Add(const ReplyCounts& other);
};

// Finds the ends of RESP2 and RESP3 replies in a stream of bytes without building values. It keeps
// no input but a header line that a read has cut in two, so the caller's buffer is free again after
// every call and a large reply costs no copy.
class ReplyScanner {
 public:
  // Reads from `begin` until one reply or push is whole or the bytes are used up, and returns where
  // it stopped. Ends the process if the bytes are not RESP.
  const char* Scan(const char* begin, const char* end);

  // Whether the last Scan() stopped after a whole reply or push.
  bool whole() const { return whole_; }
  const ReplyCounts& counts() const { return counts_; }
  // The text of the first error, empty if there was none.
  const std::string& first_error() const { return first_error_; }

 private:
  void TakeHeader(std::string_view line);
  void EndValue();

  ReplyCounts counts_;
  std::string first_error_;
  std::string cut_line_;
  uint64_t values_left_ = 0;  // values missing in the reply being read; 0 between replies
  uint64_t body_left_ = 0;    // bytes missing in the bulk string being read, with its line end
  bool push_ = false;
  bool whole_ = false;
};

// Takes a whole reply apart, value by value, in RESP2 or RESP3. Ends the process if the next value
// is of another kind.
class ReplyReader {
 public:
  explicit ReplyReader(std::string_view reply) : rest_(reply) {}

  // How many values follow that belong to the array; 0 for a null.
  size_t Array();
  // A view into the reply.
  std::string_view Bulk();
  int64_t Integer();

 private:
  std::string_view Header(std::string_view types);

  std::string_view rest_;
};

// Appends views of all bulk strings in `reply`, one whole reply, in their order at whatever depth.
void CollectBulks(std::string_view reply, std::vector<std::string_view>* out);

}  // namespace runnel::bench
