#include "base/intrusive_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace runnel {
namespace {

struct InRed;
struct InBlue;

struct Item : ListNode<InRed>, ListNode<InBlue> {
  explicit Item(int number) : number(number) {}
  int number;
};

std::vector<int> Numbers(const IntrusiveList<Item, InRed>& list) {
  std::vector<int> numbers;
  list.ForEach([&](Item& item) { numbers.push_back(item.number); });
  return numbers;
}

TEST(IntrusiveListTest, KeepsTheOrderOfAdding) {
  Item a(1), b(2), c(3);
  IntrusiveList<Item, InRed> red;
  IntrusiveList<Item, InBlue> blue;
  red.PushBack(a);
  red.PushBack(b);
  red.PushBack(c);
  red.Add(a);
  blue.PushBack(b);
  EXPECT_EQ(Numbers(red), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(red.back(), &c);
  EXPECT_EQ(red.Next(a), &b);
  EXPECT_EQ(red.Next(c), nullptr);
  EXPECT_EQ(blue.front(), &b);
}

TEST(IntrusiveListTest, ObjectsLeaveFromAnywhere) {
  IntrusiveList<Item, InRed> list;
  Item a(1), c(3);
  auto b = std::make_unique<Item>(2);
  list.PushBack(a);
  list.PushBack(*b);
  list.PushBack(c);
  b.reset();
  EXPECT_EQ(Numbers(list), (std::vector<int>{1, 3}));
  static_cast<ListNode<InRed>&>(a).Unlink();
  EXPECT_EQ(list.PopFront(), &c);
  EXPECT_EQ(list.PopFront(), nullptr);
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveListTest, AListIsAppendedToAnother) {
  Item a(1), b(2), c(3);
  IntrusiveList<Item, InRed> first, second;
  first.PushBack(a);
  second.PushBack(b);
  second.PushBack(c);
  first.Append(second);
  EXPECT_TRUE(second.empty());
  first.Append(second);
  EXPECT_EQ(Numbers(first), (std::vector<int>{1, 2, 3}));
}

TEST(IntrusiveListTest, AListThatEndsLetsItsObjectsGo) {
  Item a(1);
  {
    IntrusiveList<Item, InRed> list;
    list.PushBack(a);
  }
  EXPECT_FALSE(static_cast<ListNode<InRed>&>(a).linked());
}

}  // namespace
}  // namespace runnel
