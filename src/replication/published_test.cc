#include "replication/published.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"

namespace runnel::replication {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Encoded(const Published& published) {
  std::string out;
  AppendPublished(published, &out);
  return out;
}

// Takes whole messages with their headers.
class Inbox {
 public:
  Status Take(std::string_view messages, Position applied) {
    while (!messages.empty()) {
      const auto header = DecodeMessageHeader(messages);
      if (!header.ok()) return header.status();
      const std::string_view body = messages.substr(kMessageHeaderBytes, header->body_bytes);
      if (Status taken = inbox.Take(header->type, body, applied); !taken.ok()) return taken;
      messages.remove_prefix(kMessageHeaderBytes + header->body_bytes);
    }
    return {};
  }

  ReplicationSettings settings;
  uint64_t dropped = 0;
  std::vector<std::string> received;
  PublishedInbox inbox{settings, dropped, [this](const Published& published) {
                         received.push_back(std::string(published.shard ? "shard " : "") +
                                            std::string(published.channel) + " " +
                                            std::string(published.message));
                       }};
};

// The other side reads nothing, or all of it.
class SlowStream final : public ByteStream {
 public:
  void Start(ByteStreamHandler* /*handler*/) override {}
  void ChangeHandler(ByteStreamHandler* /*handler*/) override {}
  void PauseReading() override {}
  void ResumeReading() override {}
  bool PeerEnded() const override { return false; }
  ssize_t TryWrite(const iovec* vectors, int count) override {
    size_t sent = 0;
    for (int i = 0; i < count && reads; i++) {
      sent += vectors[i].iov_len;
      read.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
    }
    return static_cast<ssize_t>(sent);
  }
  void Write(const iovec* /*vectors*/, int /*count*/) override {}
  size_t unwritten() const override { return 0; }
  void Close() override {}
  int fd() const override { return -1; }
  const std::string& peer() const override { return name_; }
  const std::string& local() const override { return name_; }
  bool is_unix() const override { return false; }
  bool is_local() const override { return true; }

  bool reads = false;
  std::string read;

 private:
  const std::string name_;
};

class NoOwner final : public Link::Owner {
 public:
  Status OnLine(std::string_view /*line*/) override { return {}; }
  Status OnMessage(MessageType /*type*/, std::string_view /*body*/) override { return {}; }
  void OnEnd(std::string_view /*why*/) override {}
};

class PublishedTest : public ::testing::Test {
 protected:
  PublishedTest() { SetLogLevel(LogLevel::kNothing); }
  ~PublishedTest() override { SetLogLevel(LogLevel::kVerbose); }
};

// Servers of two versions must read each other: these bytes never change.
TEST_F(PublishedTest, BytesOfAMessage) {
  EXPECT_EQ(Encoded({258, false, "ch", "m"}),
            std::string("\x0a\x0e\0\0\0\0\x02\x01\0\0\0\0\0\0\x02\x03"
                        "chm",
                        19));
  EXPECT_EQ(Encoded({1, true, "", ""}),
            std::string("\x0a\x0b\0\0\0\x01\x01\0\0\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(DecodeSubscribed(std::string_view("\0", 1)), false);
  EXPECT_EQ(DecodeSubscribed("\x01"), true);
  EXPECT_EQ(DecodeSubscribed(""), std::nullopt);
  for (const auto& [type, number] :
       {std::pair(MessageType::kPublished, 10), std::pair(MessageType::kPublishedMore, 11),
        std::pair(MessageType::kSubscribed, 21)}) {
    EXPECT_EQ(static_cast<int>(type), number);
  }
}

// No body is larger than others may be.
TEST_F(PublishedTest, ALongMessageTravelsInPieces) {
  const std::string channel(kMostPieceBytes + 7, 'c');
  const std::string text(2 * kMostPieceBytes, 't');
  const std::string encoded = Encoded({1, false, channel, text});
  Inbox inbox;
  EXPECT_TRUE(inbox.Take(encoded, 1).ok());
  ASSERT_EQ(inbox.received.size(), 1u);
  EXPECT_TRUE(inbox.received.front() == channel + " " + text);
}

TEST_F(PublishedTest, AMessageWaitsForTheChangesBeforeIt) {
  Inbox inbox;
  EXPECT_TRUE(inbox.Take(Encoded({10, false, "a", "1"}), 10).ok());
  EXPECT_THAT(inbox.received, ElementsAre("a 1"));
  EXPECT_TRUE(inbox.Take(Encoded({11, true, "b", "2"}), 10).ok());
  // It does not overtake the one before it.
  EXPECT_TRUE(inbox.Take(Encoded({10, false, "c", "3"}), 10).ok());
  EXPECT_TRUE(inbox.Take(Encoded({30, false, "d", "4"}), 10).ok());
  EXPECT_THAT(inbox.received, ElementsAre("a 1"));
  inbox.inbox.OnApplied(29);
  EXPECT_THAT(inbox.received, ElementsAre("a 1", "shard b 2", "c 3"));
  inbox.inbox.OnApplied(30);
  EXPECT_EQ(inbox.received.back(), "d 4");
  EXPECT_EQ(inbox.dropped, 0u);
}

// What waits may never be applied.
TEST_F(PublishedTest, WhatWaitsWhenTheLinkEndsIsDropped) {
  Inbox inbox;
  EXPECT_TRUE(inbox.Take(Encoded({11, false, "a", "1"}), 10).ok());
  const std::string large = Encoded({11, false, "a", std::string(kMostPieceBytes, 'x')});
  EXPECT_TRUE(inbox.Take(large.substr(0, kMessageHeaderBytes + 13 + kMostPieceBytes), 10).ok());
  inbox.inbox.Clear();
  EXPECT_EQ(inbox.dropped, 2u);
  EXPECT_EQ(inbox.inbox.bytes(), 0u);
  inbox.inbox.OnApplied(100);
  EXPECT_THAT(inbox.received, IsEmpty());
  EXPECT_TRUE(inbox.Take(Encoded({100, false, "b", "2"}), 100).ok());
  EXPECT_THAT(inbox.received, ElementsAre("b 2"));
}

TEST_F(PublishedTest, MessagesThatWaitHaveABound) {
  Inbox inbox;
  inbox.settings.published_bytes = 1000;
  for (int i = 0; i < 100; i++) {
    EXPECT_TRUE(inbox.Take(Encoded({11, false, std::to_string(i), std::string(50, 'x')}), 10).ok());
    EXPECT_LE(inbox.inbox.bytes(), 1200u);
  }
  EXPECT_EQ(inbox.dropped, 91u);
  inbox.inbox.OnApplied(11);
  EXPECT_EQ(inbox.received.size(), 9u);
  EXPECT_TRUE(inbox.Take(Encoded({11, false, "a", std::string(2000, 'x')}), 11).ok());
  EXPECT_EQ(inbox.dropped, 92u);
}

TEST_F(PublishedTest, PiecesThatAreNoneAreRefused) {
  const auto why = [](std::initializer_list<std::pair<MessageType, std::string>> messages) {
    Inbox inbox;
    for (const auto& [type, body] : messages) {
      if (Status taken = inbox.inbox.Take(type, body, 0); !taken.ok()) {
        return std::string(taken.message());
      }
    }
    return std::string();
  };
  const auto head = [](std::string_view sizes) {
    return std::string("\0\x01\0\0\0\0\0\0\0", 9) + std::string(sizes);
  };
  constexpr auto kFirst = MessageType::kPublished;
  constexpr auto kMore = MessageType::kPublishedMore;
  EXPECT_EQ(why({{kFirst, head("\x01\x02") + "ab"}}), "");
  EXPECT_EQ(why({{kFirst, head("\x01\x02") + "a"}, {kMore, "b"}}), "");
  EXPECT_THAT(why({{kMore, "b"}}), HasSubstr("out of turn"));
  EXPECT_THAT(why({{kFirst, head("\x01\x02") + "a"}, {kFirst, head("\x01\x02") + "ab"}}),
              HasSubstr("out of turn"));
  EXPECT_THAT(why({{kFirst, head("\x01\x02") + "abc"}}), HasSubstr("that is none"));
  EXPECT_THAT(why({{kFirst, head("\x01\x02") + "a"}, {kMore, "bc"}}), HasSubstr("that is none"));
  EXPECT_THAT(why({{kFirst, head("\x01\x02") + "a"}, {kMore, ""}}), HasSubstr("that is none"));
  EXPECT_THAT(why({{kFirst, head("\x03\x02") + "ab"}}), HasSubstr("that is none"));
  EXPECT_THAT(why({{kFirst, "\x01"}}), HasSubstr("that is none"));
  // A size that nobody sends takes no memory.
  EXPECT_THAT(why({{kFirst, head("\x01\xff\xff\xff\xff\x0f") + "ab"}}), HasSubstr("more than"));
}

TEST_F(PublishedTest, RandomBytesHarmNobodyThatSubscribes) {
  std::mt19937 random(1);
  Inbox inbox;
  inbox.settings.published_bytes = 1000;
  for (int i = 0; i < 20'000; i++) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random() % (random() % 3 == 0 ? 256 : 4));
    }
    const auto type = random() % 2 == 0 ? MessageType::kPublished : MessageType::kPublishedMore;
    if (!inbox.inbox.Take(type, bytes, 5).ok()) inbox.inbox.Clear();
    EXPECT_LE(inbox.inbox.bytes(), 1200u);
  }
}

// One copy for all who take it, and pieces that are as large as they may be.
TEST_F(PublishedTest, MessagesLieBehindEachOther) {
  PublishedTail tail;
  for (int i = 0; i < 10; i++) {
    tail.Add({1, false, "c", std::to_string(i)}, 10'000);
  }
  EXPECT_EQ(tail.begin(), 0u);
  EXPECT_EQ(tail.end(), 10u);
  const PublishedTail::Piece all = tail.At(0, 1000);
  EXPECT_EQ(all.messages, 10u);
  Inbox inbox;
  EXPECT_TRUE(inbox.Take(all.bytes, 1).ok());
  EXPECT_EQ(inbox.received.size(), 10u);
  EXPECT_EQ(tail.At(3, 1).messages, 1u);
  const PublishedTail::Piece rest = tail.At(3, 1000);
  EXPECT_EQ(rest.messages, 7u);
  EXPECT_EQ(rest.block.get(), all.block.get());
  // What is referred to stays as it is.
  const std::string before(all.bytes);
  tail.Forget(10);
  EXPECT_EQ(tail.bytes(), 0u);
  for (int i = 0; i < 1000; i++) {
    tail.Add({1, false, "c", std::string(100, 'x')}, 10'000);
  }
  EXPECT_EQ(all.bytes, before);
}

TEST_F(PublishedTest, TheOldestGoWhenThereAreTooMany) {
  PublishedTail tail;
  for (int i = 0; i < 1000; i++) {
    tail.Add({1, false, "c", std::string(100, 'x')}, 10'000);
    EXPECT_LE(tail.bytes(), 10'000u);
  }
  EXPECT_EQ(tail.end(), 1000u);
  EXPECT_GT(tail.begin(), 900u);
  tail.Add({1, false, "c", std::string(100'000, 'x')}, 10'000);
  EXPECT_EQ(tail.begin(), 1000u) << "the new one is always there";
  EXPECT_EQ(tail.At(1000, 1).bytes.size(), 100'001u + 18);
}

// --- The leader's side ---

class PublisherTest : public PublishedTest {
 protected:
  PublisherTest() {
    auto stream = std::make_unique<SlowStream>();
    stream_ = stream.get();
    link_ = Link::Begin(std::move(stream), owner_);
    publisher_.Subscribe(subscriber_, true);
  }

  // The type of each whole message that the other side has read.
  std::vector<MessageType> Read() {
    std::vector<MessageType> types;
    stream_->reads = true;
    link_->Flush();
    stream_->reads = false;
    std::string_view rest = stream_->read;
    while (!rest.empty()) {
      const auto header = DecodeMessageHeader(rest);
      EXPECT_TRUE(header.ok());
      if (!header.ok()) break;
      types.push_back(header->type);
      rest.remove_prefix(kMessageHeaderBytes + header->body_bytes);
    }
    return types;
  }

  ReplicationSettings settings_;
  uint64_t dropped_ = 0;
  Publisher publisher_{settings_, dropped_};
  Publisher::Subscriber subscriber_;
  NoOwner owner_;
  SlowStream* stream_;
  std::unique_ptr<Link> link_;
};

// What is sent after it is not late, however much there is.
TEST_F(PublisherTest, LittleOfItWaitsInAConnection) {
  const std::string message(1000, 'm');
  for (int i = 0; i < 10'000; i++) {
    publisher_.Add({1, false, "c", message});
  }
  publisher_.Send(subscriber_, *link_);
  EXPECT_LT(link_->output().size(), 300'000u);
  const uint64_t next = subscriber_.next;
  publisher_.Send(subscriber_, *link_);
  EXPECT_EQ(subscriber_.next, next) << "nothing was read";
  while (subscriber_.next < publisher_.end()) {
    Read();
    publisher_.Send(subscriber_, *link_);
  }
  EXPECT_EQ(Read().size(), 10'000u);
  EXPECT_EQ(dropped_, 0u);
}

TEST_F(PublisherTest, ALargeOneGoesInPiecesWithOthersBetweenThem) {
  publisher_.Add({1, false, "c", std::string(3 * kMostPieceBytes, 'm')});
  publisher_.Add({1, false, "c", "next"});
  std::vector<MessageType> read;
  for (int turn = 0; turn < 5; turn++) {
    publisher_.Send(subscriber_, *link_);
    EXPECT_LT(link_->output().size(), kMostPieceBytes + 1000);
    link_->Send(MessageType::kHeartbeat, "h");
    read = Read();
  }
  using enum MessageType;
  EXPECT_THAT(read, ElementsAre(kPublished, kHeartbeat, kPublishedMore, kHeartbeat, kPublishedMore,
                                kHeartbeat, kPublishedMore, kPublished, kHeartbeat, kHeartbeat));
}

// Else the other side would take the next one for a piece of it.
TEST_F(PublisherTest, ALargeOneThatWasBegunIsSentToItsEnd) {
  publisher_.Add({1, false, "c", std::string(2 * kMostPieceBytes, 'm')});
  publisher_.Send(subscriber_, *link_);
  publisher_.Subscribe(subscriber_, false);
  publisher_.Forget(publisher_.end());
  Read();
  publisher_.Send(subscriber_, *link_);
  Read();
  publisher_.Send(subscriber_, *link_);
  EXPECT_EQ(Read().size(), 3u);
}

TEST_F(PublisherTest, WhatWasNotSentWhenTheConnectionEndsIsCounted) {
  const std::string message(100'000, 'm');
  for (int i = 0; i < 10; i++) {
    publisher_.Add({1, false, "c", message});
  }
  publisher_.Send(subscriber_, *link_);
  const uint64_t sent = subscriber_.next;
  EXPECT_GT(sent, 0u);
  publisher_.End(subscriber_);
  EXPECT_EQ(dropped_, 10 - sent);
  EXPECT_TRUE(subscriber_.dropped.due(INT64_MAX));
  publisher_.End(subscriber_);
  EXPECT_EQ(dropped_, 10 - sent) << "once";
}

}  // namespace
}  // namespace runnel::replication
