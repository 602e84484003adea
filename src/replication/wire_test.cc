#include "replication/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"

namespace runnel::replication {
namespace {

using ::testing::HasSubstr;

FollowRequest ARequest() {
  FollowRequest request;
  request.journal_id = 0xabcdef;
  request.has_data = false;
  request.anew = true;
  request.forced = true;
  request.node_id = "node";
  request.run_id = "run";
  request.databases = 16;
  request.effects = 3;
  request.end = 12345;
  request.epochs.Note(1, 0);
  request.epochs.Note(uint64_t{7} << 32, 100);
  request.host = "example.org";
  request.port = 6380;
  return request;
}

Result<FollowRequest> FromWords(const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  return FollowRequest::FromWords(std::span(views).subspan(2));
}

TEST(WireTest, ARequestComesBack) {
  const FollowRequest request = ARequest();
  const auto read = FromWords(request.ToWords());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->ToWords(), request.ToWords());
  EXPECT_EQ(read->epochs, request.epochs);
  EXPECT_EQ(read->journal_id, request.journal_id);
  EXPECT_FALSE(read->has_data);
  EXPECT_TRUE(read->anew);
  EXPECT_TRUE(read->forced);
}

TEST(WireTest, ARequestMayHaveNamesThatAreNotKnown) {
  std::vector<std::string> words = ARequest().ToWords();
  words.insert(words.end(), {"COLOUR", "blue"});
  EXPECT_TRUE(FromWords(words).ok());
}

TEST(WireTest, ARequestThatIsNoneIsRefused) {
  const auto why = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"REPLICATION", "FOLLOW"});
    const auto read = FromWords(words);
    return read.ok() ? std::string() : std::string(read.status().message());
  };
  EXPECT_THAT(why({"x"}), HasSubstr("the version"));
  EXPECT_THAT(why({"1"}), HasSubstr("NODE is missing"));
  EXPECT_THAT(why({"1", "NODE"}), HasSubstr("has no value"));
  for (const char* name : {"a b", "a\r\nrole:master", "a,b", "a=b", "\xff"}) {
    EXPECT_THAT(why({"1", "NODE", name}), HasSubstr("NODE is none"));
    EXPECT_THAT(why({"1", "NODE", "n", "HOST", name}), HasSubstr("HOST is none"));
  }
  EXPECT_THAT(why({"1", "NODE", std::string(256, 'n')}), HasSubstr("NODE is none"));
  EXPECT_THAT(why({"1", "NODE", "n", "END", "-1"}), HasSubstr("END is none: '-1'"));
  EXPECT_THAT(why({"1", "NODE", "n", "PORT", "65536"}), HasSubstr("PORT is none"));
  EXPECT_THAT(why({"1", "NODE", "n", "JOURNAL", "xyz"}), HasSubstr("JOURNAL is none"));
  for (const char* epochs : {"1", "1:", ":1", "2:5,1:6", "1:5,2:4", "1:0,1:0", "g:1"}) {
    EXPECT_THAT(why({"1", "NODE", "n", "EPOCHS", epochs}), HasSubstr("EPOCHS is none")) << epochs;
  }
  EXPECT_EQ(why({"1", "NODE", "n", "EPOCHS", "-"}), "");
}

// Servers of two versions must read each other: these bytes never change.
TEST(WireTest, BytesOfTheMessages) {
  const auto bytes = [](const auto& message) {
    std::string out;
    message.Encode(&out);
    return out;
  };
  EXPECT_EQ(bytes(Mark{1, 3, 2, true}),
            std::string("\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01", 25));
  EXPECT_EQ(bytes(Heartbeat{3, true}), std::string("\x03\0\0\0\0\0\0\0\x01", 9));
  EXPECT_EQ(bytes(Report{5, 4, 3, 2, 1, 6}),
            std::string("\x05\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
                        "\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0",
                        48));
  EXPECT_EQ(bytes(TakeOver{258, true}), std::string("\x02\x01\0\0\0\0\0\0\x01", 9));
  EXPECT_EQ(bytes(NewLeader{"h", 300}), "\x01h\xac\x02");
  EXPECT_EQ(bytes(AskToLead{300}), "\xac\x02");
  Welcome welcome;
  welcome.identity = {0x0102, 5};
  welcome.node_id = "n";
  welcome.epochs.Note(9, 6);
  welcome.parting = 7;
  welcome.end = 8;
  const std::string to_state("\x01\x02\x01\0\0\0\0\0\0\x05\x01n\x01\x09\0\0\0\0\0\0\0\x06\x07", 23);
  EXPECT_EQ(bytes(welcome), to_state + std::string("\0\0\x08\0", 4));
  welcome.snapshot = 300;
  EXPECT_EQ(bytes(welcome), to_state + std::string("\x01\xac\x02\x08\0", 5));
  welcome.path = {"ab", "c"};
  EXPECT_EQ(bytes(welcome).substr(26),
            "\x08\x02\x02"
            "ab\x01"
            "c");
  welcome.path.clear();
  welcome.snapshot.reset();
  welcome.from_beginning = true;
  EXPECT_EQ(bytes(welcome), to_state + std::string("\x02\0\x08\0", 4));
  EXPECT_EQ(bytes(FileList{{{"snapshots/a", 300}, {"streams/b", 1}}, true}),
            "\x01\x02\x0bsnapshots/a\xac\x02\x09streams/b\x01");
  EXPECT_EQ(bytes(FetchRequest{1, 300, 2}), "\x01\xac\x02\x02");
  EXPECT_EQ(bytes(FilePiece{1, 300, "abc"}),
            "\x01\xac\x02"
            "\x50\x39\x2f\x89\x94\x5f\xaf\x78"
            "abc");
  for (const auto& [goodbye, byte] :
       {std::pair(Goodbye::kReturns, 0), std::pair(Goodbye::kForGood, 1),
        std::pair(Goodbye::kLeads, 2)}) {
    EXPECT_EQ(static_cast<int>(goodbye), byte);
  }
  std::string header;
  AppendMessageHeader(MessageType::kBytes, 258, &header);
  EXPECT_EQ(header, std::string("\x02\x02\x01\0\0", 5));
  std::string head;
  AppendPieceHead(258, &head);
  EXPECT_EQ(head, std::string("\x02\x01\0\0\0\0\0\0", 8));
  for (const auto& [type, number] :
       {std::pair(MessageType::kWelcome, 1), std::pair(MessageType::kBytes, 2),
        std::pair(MessageType::kMark, 3), std::pair(MessageType::kHeartbeat, 4),
        std::pair(MessageType::kRecord, 5), std::pair(MessageType::kFiles, 6),
        std::pair(MessageType::kFilePiece, 7), std::pair(MessageType::kTakeOver, 8),
        std::pair(MessageType::kNewLeader, 9), std::pair(MessageType::kPublished, 10),
        std::pair(MessageType::kPublishedMore, 11), std::pair(MessageType::kReport, 16),
        std::pair(MessageType::kGoodbye, 17), std::pair(MessageType::kFetch, 18),
        std::pair(MessageType::kAskToLead, 19), std::pair(MessageType::kRefuse, 20),
        std::pair(MessageType::kSubscribed, 21)}) {
    EXPECT_EQ(static_cast<int>(type), number);
  }
}

// The same holds for the words of the request.
TEST(WireTest, WordsOfTheRequest) {
  std::string line;
  for (const std::string& word : ARequest().ToWords()) {
    line += (line.empty() ? "" : " ") + word;
  }
  EXPECT_EQ(
      line,
      "REPLICATION FOLLOW 1 JOURNAL abcdef DATA 0 ANEW 1 FORCED 1 NODE node RUN run DATABASES "
      "16 EFFECTS 3 END "
      "12345 EPOCHS 1:0,700000000:100 TRUSTED 1 RECOVERS 0 HOST example.org PORT 6380");
}

TEST(WireTest, ASnapshotThatIsNotWantedIsNamedAtTheEnd) {
  FollowRequest request = ARequest();
  request.without = 77;
  const std::vector<std::string> words = request.ToWords();
  EXPECT_EQ(words[words.size() - 2], "WITHOUT");
  EXPECT_EQ(words.back(), "77");
  std::vector<std::string_view> args(words.begin() + 2, words.end());
  const auto again = FollowRequest::FromWords(args);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->without, request.without);
  args.back() = "x";
  EXPECT_FALSE(FollowRequest::FromWords(args).ok());
}

TEST(WireTest, MessagesOfAFullSyncComeBack) {
  const auto again = []<class M>(const M& message) {
    std::string bytes;
    message.Encode(&bytes);
    for (size_t i = 0; i < bytes.size(); i++) {
      EXPECT_FALSE(M::Decode(std::string_view(bytes).substr(0, i))) << i;
    }
    return bytes;
  };
  const std::string list = again(FileList{{{"snapshots/a", 300}, {"streams/b", 1}}, true});
  EXPECT_EQ(FileList::Decode(list)->files,
            (std::vector<SyncFile>{{"snapshots/a", 300}, {"streams/b", 1}}));
  EXPECT_TRUE(FileList::Decode(list)->last);
  EXPECT_EQ(FetchRequest::Decode(again(FetchRequest{1, 300, 2}))->offset, 300u);
  std::string piece = again(FilePiece{1, 300, "abc"});
  EXPECT_EQ(FilePiece::Decode(piece)->bytes, "abc");
  piece.back() = 'd';
  EXPECT_FALSE(FilePiece::Decode(piece));
  for (const char* path : {"", "a", "snapshots/", "snapshots/../a", "journal/a", "streams/a/b",
                           "/snapshots/a", "streams/A", "streams/.a"}) {
    EXPECT_FALSE(IsSyncPath(path)) << path;
  }
}

TEST(WireTest, MessagesComeBack) {
  Welcome welcome;
  welcome.identity = {42, 0};
  welcome.node_id = "abc";
  welcome.epochs.Note(9, 600);
  welcome.parting = 700;
  welcome.end = 900;
  welcome.path = {"b", "c"};
  std::string bytes;
  welcome.Encode(&bytes);
  const auto read = Welcome::Decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->identity, welcome.identity);
  EXPECT_EQ(read->node_id, "abc");
  EXPECT_EQ(read->epochs, welcome.epochs);
  EXPECT_EQ(read->parting, 700u);
  EXPECT_EQ(read->end, 900u);
  EXPECT_EQ(read->path, welcome.path);
  for (size_t i = 0; i < bytes.size(); i++) {
    EXPECT_FALSE(Welcome::Decode(std::string_view(bytes).substr(0, i))) << i;
  }
  EXPECT_FALSE(Mark::Decode("1234567890123456"));
  EXPECT_FALSE(Report::Decode(std::string(39, 'x')));
  EXPECT_FALSE(Heartbeat::Decode("12345678"));
  EXPECT_FALSE(DecodeGoodbye(""));
  EXPECT_EQ(DecodeGoodbye(std::string_view("\0", 1)), Goodbye::kReturns);
  EXPECT_EQ(DecodeGoodbye("\1"), Goodbye::kForGood);
  EXPECT_EQ(DecodeGoodbye("\2"), Goodbye::kLeads);
  EXPECT_EQ(DecodeGoodbye("\3"), Goodbye::kForGood);
  EXPECT_FALSE(DecodePieceHead("12345678"));
}

TEST(WireTest, MessagesOfAHandOverComeBack) {
  const auto again = []<class M>(const M& message) {
    std::string bytes;
    message.Encode(&bytes);
    return M::Decode(bytes);
  };
  EXPECT_EQ(again(TakeOver{5, true}), (TakeOver{5, true}));
  EXPECT_EQ(again(NewLeader{"::1", 65535}), (NewLeader{"::1", 65535}));
  EXPECT_EQ(again(AskToLead{1000})->wait_ms, 1000u);
  EXPECT_FALSE(TakeOver::Decode("12345678"));
  EXPECT_FALSE(AskToLead::Decode(""));
  EXPECT_FALSE(again(NewLeader{"", 1}));
  EXPECT_FALSE(again(NewLeader{"a b", 1}));
  EXPECT_FALSE(again(NewLeader{"a", 0}));
  EXPECT_FALSE(NewLeader::Decode(std::string("\x01h\x80\x80\x04", 5))) << "port 65536";
}

TEST(WireTest, ARefusalMayNameTheLeader) {
  EXPECT_EQ(LeaderInRefusal("NEWLEADER ::1 77 this server has handed over"),
            (NewLeader{"::1", 77}));
  EXPECT_EQ(LeaderInRefusal("NEWLEADER h 77"), (NewLeader{"h", 77}));
  for (const char* text : {"", "NEWLEADER", "NEWLEADER ", "NEWLEADER h", "NEWLEADER  77",
                           "NEWLEADER h x", "NEWLEADER h 0", "NEWLEADER h 65536", "NEWLEADERh 1",
                           "this server does not lead", "NEWLEADER h=i 77"}) {
    EXPECT_FALSE(LeaderInRefusal(text)) << text;
  }
}

TEST(WireTest, ARefusalMaySayWhoFollowsWhom) {
  for (const NotLeading& said :
       {NotLeading{{"a"}, false, false}, NotLeading{{"a", "b", "c"}, true, false},
        NotLeading{{"a", "b"}, true, true}}) {
    EXPECT_EQ(NotLeading::InRefusal(said.ToWords()), said);
    EXPECT_EQ(NotLeading::InRefusal(said.ToWords() + " this server follows another one"), said);
  }
  EXPECT_EQ((NotLeading{{"a", "b"}, false, false}).ToWords(), "NOTLEADING a,b");
  EXPECT_EQ((NotLeading{{"a", "b"}, true, true}).ToWords(), "FOLLOWSYOU a,b 1");
  std::string many = "NOTLEADING a";
  for (size_t i = 0; i < kMostPath; i++) {
    many += ",a";
  }
  for (const std::string& text : std::vector<std::string>{
           "", "FOLLOWSYOU", "FOLLOWSYOU ", "NOTLEADING  a", "NOTLEADING a,,b", "NOTLEADING ,a",
           "NOTLEADING a\x01", "FOLLOWSYOUa b", "NEWLEADER h 77", many}) {
    EXPECT_FALSE(NotLeading::InRefusal(text)) << text;
  }
}

TEST(WireTest, HeadersThatLieAreRefused) {
  const auto header = [](uint8_t type, uint32_t bytes) {
    std::string out;
    Encoder encoder(&out);
    encoder.Byte(type);
    encoder.Fixed(bytes);
    return DecodeMessageHeader(out);
  };
  EXPECT_TRUE(header(2, kMostBodyBytes).ok());
  EXPECT_THAT(header(2, kMostBodyBytes + 1).status().message(), HasSubstr("more than"));
  EXPECT_THAT(header('-', 0).status().message(), HasSubstr("unknown type 45"));
}

TEST(WireTest, RandomBytesHarmNobody) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; i++) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random() % (random() % 3 == 0 ? 256 : 4));
    }
    Welcome::Decode(bytes);
    Mark::Decode(bytes);
    Heartbeat::Decode(bytes);
    Report::Decode(bytes);
    TakeOver::Decode(bytes);
    NewLeader::Decode(bytes);
    AskToLead::Decode(bytes);
    LeaderInRefusal(bytes);
    NotLeading::InRefusal("NOTLEADING " + bytes);
    const std::string_view words[] = {"1", "NODE", "n", "EPOCHS", bytes};
    static_cast<void>(FollowRequest::FromWords(words));
  }
}

}  // namespace
}  // namespace runnel::replication
