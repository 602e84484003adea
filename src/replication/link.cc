#include "replication/link.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

// What is read in one go.
constexpr size_t kSharedBytes = 64 * 1024;
// A message that is larger comes into memory of the link, which then has room for so much more.
constexpr size_t kLeastRoom = 64 * 1024;
// Such memory stays for the next one.
constexpr size_t kKeptBytes = 4 * kMostBodyBytes;
constexpr size_t kMostLineBytes = 4096;
constexpr int kMostVectors = 64;
constexpr size_t kMostWritten = size_t{1} << 20;

// All links of a thread read into this: mostly whole messages come, and are taken at once. So it
// stays in the processor's cache, and an idle link takes no memory.
std::span<char> SharedBuffer() {
  static thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(kSharedBytes);
  return {buffer.get(), kSharedBytes};
}

}  // namespace

Link::Link(std::unique_ptr<ByteStream> stream, Owner& owner, bool lines)
    : stream_(std::move(stream)), owner_(&owner), lines_(lines) {}

Link::~Link() = default;

std::unique_ptr<Link> Link::Begin(std::unique_ptr<ByteStream> stream, Owner& owner) {
  std::unique_ptr<Link> link(new Link(std::move(stream), owner, true));
  link->stream_->Start(link.get());
  return link;
}

std::unique_ptr<Link> Link::Take(std::unique_ptr<ByteStream> stream, Owner& owner) {
  std::unique_ptr<Link> link(new Link(std::move(stream), owner, false));
  link->stream_->ChangeHandler(link.get());
  link->stream_->ResumeReading();
  return link;
}

void Link::End(std::unique_ptr<Link> link) {
  link->owner_ = nullptr;
  link.release()->stream_->Close();  // OnClosed frees it
}

void Link::OnClosed() {
  CHECK(owner_ == nullptr);
  delete this;
}

// --- Input ---

std::span<char> Link::ReadBuffer() {
  reads_shared_ = input_.empty();
  if (reads_shared_) return SharedBuffer();
  char* const room = input_.Room(kLeastRoom);
  return {room, input_.capacity() - input_.size()};
}

void Link::OnRead(size_t bytes) {
  if (owner_ == nullptr || failed_) return;
  if (reads_shared_) {
    const std::string_view arrived(SharedBuffer().data(), bytes);
    if (const auto taken = TakeMessages(arrived)) input_.Append(arrived.substr(*taken));
    return;
  }
  input_.Grow(bytes);
  const auto taken = TakeMessages(input_.view());
  if (!taken) return;
  const size_t rest = input_.size() - *taken;
  if (*taken > 0) std::memmove(input_.data(), input_.data() + *taken, rest);
  input_.Clear(rest > 0 ? SIZE_MAX : kKeptBytes);
  input_.Grow(rest);
}

// Returns the size of the messages that were whole; nothing if the link has ended.
std::optional<size_t> Link::TakeMessages(std::string_view input) {
  size_t done = 0;
  while (done < input.size()) {
    const auto taken = Process(input.substr(done));
    if (owner_ == nullptr) return std::nullopt;
    if (!taken.ok()) {
      Fail(taken.status().message());
      return std::nullopt;
    }
    if (*taken == 0) break;
    done += *taken;
  }
  return done;
}

Result<size_t> Link::Process(std::string_view input) {
  if (lines_ && (input.front() == '+' || input.front() == '-')) {
    const size_t end = input.find("\r\n");
    if (end == std::string_view::npos) {
      if (input.size() > kMostLineBytes) return Status::Error("a line without an end came");
      return size_t{0};
    }
    const Status taken = owner_->OnLine(input.substr(0, end));
    if (!taken.ok()) return taken;
    return end + 2;
  }
  if (input.size() < kMessageHeaderBytes) return size_t{0};
  const auto header = DecodeMessageHeader(input);
  if (!header.ok()) return header.status();
  const size_t size = kMessageHeaderBytes + header->body_bytes;
  if (input.size() < size) return size_t{0};
  lines_ = false;
  const Status taken =
      owner_->OnMessage(header->type, input.substr(kMessageHeaderBytes, header->body_bytes));
  if (!taken.ok()) return taken;
  return size;
}

void Link::OnEnd(std::string_view error) {
  Fail(error.empty() ? "the other side has closed the connection" : error);
}

void Link::Fail(std::string_view why) {
  if (owner_ == nullptr || failed_) return;
  failed_ = true;
  stream_->PauseReading();
  owner_->OnEnd(why);
}

// --- Output ---

void Link::SendCommand(std::span<const std::string> words) {
  output_.Append(fmt::format("*{}\r\n", words.size()));
  for (const std::string& word : words) {
    output_.Append(fmt::format("${}\r\n{}\r\n", word.size(), word));
  }
}

void Link::Send(MessageType type, std::string_view body) {
  std::string header;
  AppendMessageHeader(type, body.size(), &header);
  output_.Append(header);
  output_.Append(body);
}

void Link::SendSlice(MessageType type, std::string_view head, const Ref<Block>& block,
                     std::string_view bytes) {
  std::string header;
  AppendMessageHeader(type, head.size() + bytes.size(), &header);
  output_.Append(header);
  output_.Append(head);
  output_.AppendSlice(block, bytes);
}

bool Link::Flush() {
  iovec vectors[kMostVectors];
  size_t done = 0;
  while (in_flight_ == 0 && !output_.empty() && owner_ != nullptr && !failed_) {
    if (done >= most_flushed_) return true;
    const size_t most = std::min(kMostWritten, most_flushed_ - done);
    int count = output_.Gather(most, vectors, kMostVectors);
    const ssize_t sent = stream_->TryWrite(vectors, count);
    // That the connection is broken is told by OnEnd, too, and not in the midst of a call.
    if (sent < 0) {
      output_.Clear();
      return false;
    }
    done += static_cast<size_t>(sent);
    output_.Consume(static_cast<size_t>(sent));
    if (sent > 0 || output_.empty()) continue;
    count = output_.Gather(kMostWritten, vectors, kMostVectors);
    for (int i = 0; i < count; i++) {
      in_flight_ += vectors[i].iov_len;
    }
    stream_->Write(vectors, count);
  }
  return false;
}

void Link::OnWritten(std::string_view error) {
  output_.Consume(std::exchange(in_flight_, 0));
  if (!error.empty()) return Fail(error);
  Flush();
}

}  // namespace runnel::replication
