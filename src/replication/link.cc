#include "replication/link.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "fmt/format.h"

namespace runnel::replication {
namespace {

constexpr size_t kLeastRoom = 16 * 1024;
constexpr size_t kMostLineBytes = 4096;
constexpr int kMostVectors = 64;
constexpr size_t kMostWritten = size_t{1} << 20;

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
  if (input_.size() - input_size_ < kLeastRoom) {
    input_.resize(std::max(2 * input_.size(), input_size_ + kLeastRoom));
  }
  return {input_.data() + input_size_, input_.size() - input_size_};
}

void Link::OnRead(size_t bytes) {
  if (owner_ == nullptr || failed_) return;
  input_size_ += bytes;
  size_t done = 0;
  while (done < input_size_) {
    const auto taken = Process(std::string_view(input_).substr(done, input_size_ - done));
    if (owner_ == nullptr) return;
    if (!taken.ok()) return Fail(taken.status().message());
    if (*taken == 0) break;
    done += *taken;
  }
  input_.erase(0, done);
  input_size_ -= done;
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

void Link::Flush() {
  iovec vectors[kMostVectors];
  while (in_flight_ == 0 && !output_.empty() && owner_ != nullptr && !failed_) {
    int count = output_.Gather(kMostWritten, vectors, kMostVectors);
    const ssize_t sent = stream_->TryWrite(vectors, count);
    // That the connection is broken is told by OnEnd, too, and not in the midst of a call.
    if (sent < 0) return output_.Clear();
    output_.Consume(static_cast<size_t>(sent));
    if (sent > 0 || output_.empty()) continue;
    count = output_.Gather(kMostWritten, vectors, kMostVectors);
    for (int i = 0; i < count; i++) {
      in_flight_ += vectors[i].iov_len;
    }
    stream_->Write(vectors, count);
  }
}

void Link::OnWritten(std::string_view error) {
  output_.Consume(std::exchange(in_flight_, 0));
  if (!error.empty()) return Fail(error);
  Flush();
}

}  // namespace runnel::replication
