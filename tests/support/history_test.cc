#include "tests/support/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runnel::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Demand = History::Demand;
using Value = History::Value;
using Values = std::vector<Value>;

class HistoryTest : public testing::Test {
 protected:
  Value Append(History::Connection connection) {
    const Value value = history_.BeginAppend(connection);
    history_.Acknowledge(value);
    return value;
  }
  void Read(const Values& shown, History::Connection connection = 0,
            Demand demand = Demand::kNewest) {
    history_.EndRead(history_.BeginRead(connection == 0 ? reader_ : connection), shown, demand);
  }
  std::vector<std::string> Faults() { return history_.Faults(); }

  History history_;
  const History::Connection a_ = history_.NewConnection();
  const History::Connection b_ = history_.NewConnection();
  const History::Connection reader_ = history_.NewConnection();
};

// --- Good ones ---

TEST_F(HistoryTest, OneAfterAnother) {
  Read({});
  const Value first = Append(a_);
  Read({first});
  const Value second = Append(b_);
  Read({first, second});
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_EQ(history_.acknowledged(), 2u);
  EXPECT_EQ(history_.reads(), 3u);
}

TEST_F(HistoryTest, AppendsAtOnceHaveEitherOrder) {
  const Value one = history_.BeginAppend(a_);
  const Value other = history_.BeginAppend(b_);
  history_.Acknowledge(one);
  history_.Acknowledge(other);
  Read({other, one});
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(HistoryTest, AReadMayOrMayNotShowWhatIsUnderWay) {
  const Value value = history_.BeginAppend(a_);
  const size_t before = history_.BeginRead(reader_);
  const size_t after = history_.BeginRead(b_);
  history_.EndRead(before, {});
  history_.EndRead(after, {value});
  history_.Acknowledge(value);
  Read({value});
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(HistoryTest, WhatIsUnknownMayHappenLateOrNever) {
  const Value late = history_.BeginAppend(a_);
  history_.BeginAppend(b_);
  const Value known = Append(reader_);
  Read({known});
  Read({known, late});
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(HistoryTest, WhatWasRefusedIsNotThere) {
  history_.Refuse(history_.BeginAppend(a_));
  Read({});
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(HistoryTest, AnOldReadMayLagBehind) {
  const Value first = Append(a_);
  const Value second = Append(a_);
  Read({first}, b_, Demand::kOld);
  Read({first, second}, b_, Demand::kOld);
  Read({first, second});
  EXPECT_THAT(Faults(), IsEmpty());
}

// Several requests at once, of which the connection ends before the last reply.
TEST_F(HistoryTest, ManyRequestsOfOneConnectionAtOnce) {
  const Value first = history_.BeginAppend(a_);
  const Value second = history_.BeginAppend(a_);
  const Value third = history_.BeginAppend(a_);
  history_.Acknowledge(first, 0);
  history_.Acknowledge(second, 1);
  Read({first, second});
  Read({first, second, third});
  EXPECT_THAT(Faults(), IsEmpty());
}

// --- Bad ones ---

TEST_F(HistoryTest, ALostAppendIsFound) {
  const Value first = Append(a_);
  Append(a_);
  Read({first});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("acknowledged value 2 of connection 1 ended before "
                                              "read 0 of connection 3, which shows 1 values")));
}

// Its place is that of a later one.
TEST_F(HistoryTest, ALostAppendIsFoundByItsIndex) {
  const Value first = history_.BeginAppend(a_);
  const Value other = history_.BeginAppend(b_);
  history_.Acknowledge(first, 0);
  history_.Acknowledge(other, 0);
  Read({other});
  EXPECT_THAT(Faults(), ElementsAre("value 1 was acknowledged at index 0, where 2 is shown"));
}

TEST_F(HistoryTest, AnAppendAtAnotherIndexIsFound) {
  const Value first = history_.BeginAppend(a_);
  const Value other = history_.BeginAppend(b_);
  history_.Acknowledge(first, 0);
  history_.Acknowledge(other);
  Read({other, first});
  EXPECT_THAT(Faults(), ElementsAre("value 1 was acknowledged at index 0, and is shown at 1"));
}

TEST_F(HistoryTest, AStaleReadIsFound) {
  const Value first = Append(a_);
  Read({first});
  const Value second = Append(a_);
  Read({first}, b_);
  Read({first, second});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("acknowledged value 2 of connection 1 ended before "
                                              "read 1 of connection 2")));
}

TEST_F(HistoryTest, AStaleReadIsFoundByAnotherReadAlone) {
  const Value value = history_.BeginAppend(a_);
  Read({value});
  Read({}, b_);
  Read({value});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("read 0 of connection 3, which shows 1 values, ended "
                                              "before read 1 of connection 2")));
}

TEST_F(HistoryTest, ADuplicateIsFound) {
  const Value value = history_.BeginAppend(a_);
  Read({value, value});
  EXPECT_THAT(Faults(), ElementsAre("value 1 is shown twice, at index 0 and at 1"));
}

TEST_F(HistoryTest, AnotherOrderThanThatOfTheConnectionIsFound) {
  const Value first = history_.BeginAppend(a_);
  const Value second = history_.BeginAppend(a_);
  Read({second, first});
  EXPECT_THAT(Faults(), ElementsAre("value 1 of connection 1 was sent before value 2 of connection "
                                    "1, but comes after it in the order of the values"));
}

TEST_F(HistoryTest, AnotherOrderThanThatOfTimeIsFound) {
  const Value first = Append(a_);
  const Value second = Append(b_);
  Read({second, first});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("acknowledged value 1 of connection 1 ended before "
                                              "acknowledged value 2 of connection 2 began")));
}

TEST_F(HistoryTest, AValueThatNobodyHasAppendedIsFound) {
  Read({77});
  EXPECT_THAT(Faults(), ElementsAre("value 77 is shown, and nobody has appended it"));
}

TEST_F(HistoryTest, AValueThatIsShownBeforeItIsAppendedIsFound) {
  Read({1});
  EXPECT_EQ(Append(a_), 1u);
  Read({1});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("read 0 of connection 3, which shows 1 values, ended "
                                              "before acknowledged value 1 of connection 1")));
}

TEST_F(HistoryTest, AValueThatWasRefusedIsFound) {
  const Value value = history_.BeginAppend(a_);
  history_.Refuse(value);
  Read({value});
  EXPECT_THAT(Faults(), ElementsAre("value 1 is shown, but was refused"));
}

// Of unknown outcome, but it was shown.
TEST_F(HistoryTest, AValueThatIsSeenAndThenGoneIsFound) {
  const Value first = Append(a_);
  const Value unknown = history_.BeginAppend(b_);
  Read({first, unknown});
  Read({first});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("read 0 of connection 3, which shows 2 values")));
}

// Another value is in its place.
TEST_F(HistoryTest, TwoReadsThatContradictAreFound) {
  const Value one = history_.BeginAppend(a_);
  const Value other = history_.BeginAppend(b_);
  const Value third = Append(reader_);
  Read({one});
  Read({other, third});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("has value 1 at index 0, where a longer one has 2")));
}

TEST_F(HistoryTest, WhatAnOldReadHasShownStays) {
  const Value value = history_.BeginAppend(a_);
  Read({value}, b_, Demand::kOld);
  Read({});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("read 0 of connection 2, which shows 1 values")));
}

TEST_F(HistoryTest, OldReadsOfOneConnectionDoNotGoBack) {
  const Value value = Append(a_);
  Read({value}, b_, Demand::kOld);
  Read({}, b_, Demand::kOld);
  Read({value});
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("was sent before read 1 of connection 2")));
}

TEST_F(HistoryTest, WithoutAReadAtTheEndNothingIsProved) {
  Read({});
  Append(a_);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("this proves nothing")));
  // One that is not answered, or that may be old, is no proof either.
  history_.BeginRead(reader_);
  Read({1}, b_, Demand::kOld);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("this proves nothing")));
  Read({1});
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(HistoryTest, SoManyFaultsAreTold) {
  Read({101, 102, 103, 104, 105});
  EXPECT_THAT(history_.Faults(3), SizeIs(3));
  EXPECT_THAT(Faults(), SizeIs(5));
}

}  // namespace
}  // namespace runnel::test
