#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

struct RequestLimits {
  size_t max_bulk_bytes = 512 * 1024 * 1024;  // proto-max-bulk-len
  // Before a client has authenticated, the limits are tighter.
  bool authenticated = true;
};

// Cuts the bytes that a client sends into requests: arrays of bulk strings, or inline lines of
// words. It works on the caller's buffer and copies nothing: the arguments of a request are views
// into that buffer (words of an inline line that were quoted are views into the parser).
//
// A request may arrive in pieces cut at any byte, and its buffer may move. The parser remembers how
// far it has come and where the arguments are, so the cost of a request is linear in its bytes and
// its arguments, in however many pieces it arrives.
class RequestParser {
 public:
  enum class Outcome {
    kRequest,  // args() is a whole request of at least one argument
    kMore,     // the bytes end inside a request (or there are none)
    kError,    // error() says why this is no request; the connection cannot be used any more
  };

  // Looks at `input`: the bytes from the end of the last request on. The same bytes must be given
  // again, with more after them and possibly at another address, after kMore. Empty requests are
  // skipped.
  Outcome Parse(std::string_view input, const RequestLimits& limits);

  // After kRequest: the arguments, good until the next call or until the buffer changes.
  std::span<const std::string_view> args() const { return args_; }
  // The number of bytes at the beginning of `input` that are consumed; after kMore, those of
  // skipped empty requests. The caller removes exactly these from its buffer before the next call.
  size_t consumed() const { return consumed_; }
  // After kMore: how many bytes the input needs in all, as far as is known now (at least one more
  // than it had).
  size_t needed() const { return needed_; }
  // After kError: the text after "-ERR Protocol error: ".
  const std::string& error() const { return error_; }

  // Bytes of memory that the parser holds for arguments.
  size_t MemoryBytes() const {
    return args_.capacity() * sizeof(std::string_view) + words_.capacity();
  }
  // Frees memory that a large request has needed. Called between requests: args() is empty
  // afterwards. Memory of the usual size is kept.
  void ReleaseSpare() {
    if (MemoryBytes() > kUsualBytes) FreeArguments();
  }

 private:
  Outcome ParseArray(std::string_view input, const RequestLimits& limits);
  Outcome ParseInline(std::string_view input);
  Outcome More(size_t needed);
  Outcome Fail(std::string error);
  void FreeArguments();

  std::vector<std::string_view> args_;
  size_t consumed_ = 0;
  size_t needed_ = 0;
  std::string error_;
  std::string words_;  // the unquoted words of an inline request

  // How far the incomplete request has been parsed. Offsets count from its first byte.
  size_t at_ = 0;
  // The address of the request's first byte when its first piece was parsed. Until the request is
  // whole, the views in args_ count from there, wherever the bytes are by now: so arguments that
  // have been found are not touched again when the buffer moves.
  uintptr_t home_ = 0;
  size_t arguments_left_ = 0;
  size_t bulk_bytes_ = kNoBulk;
  bool in_array_ = false;

  static constexpr size_t kNoBulk = static_cast<size_t>(-1);
  static constexpr size_t kUsualBytes = 4096;
};

// Splits a line into words as Redis does for inline requests and redis.conf: blanks separate, "..."
// takes \n \r \t \b \a \\ \" and \xHH, '...' takes \' only, and after a closing quote a blank must
// follow. Returns false if the quotes do not match.
bool SplitWords(std::string_view line, std::vector<std::string>* words);

}  // namespace runnel
