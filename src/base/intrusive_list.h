#pragma once

#include "base/assert.h"

namespace runnel {

// The links of an object that is in at most one list of this tag. The object inherits a ListNode
// for each kind of list that it may be in:
//
//   struct Waiting;
//   class Session : public ListNode<Waiting> { ... };
//   IntrusiveList<Session, Waiting> waiting;
//
// Linking and unlinking allocate nothing and take constant time. A node that is destroyed leaves
// its list.
template <class Tag>
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { Unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != nullptr; }
  // Leaves the list, if it is in one.
  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <class T, class AnyTag>
  friend class IntrusiveList;

  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

// Objects in the order in which they were added. The list does not own them; they may leave at any
// time, also while others are visited with PopFront.
template <class T, class Tag>
class IntrusiveList {
 public:
  IntrusiveList() { head_.prev_ = head_.next_ = &head_; }
  ~IntrusiveList() {
    while (PopFront() != nullptr) {
    }
    head_.prev_ = head_.next_ = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  // nullptr if the list is empty.
  T* front() const { return empty() ? nullptr : Object(head_.next_); }
  T* back() const { return empty() ? nullptr : Object(head_.prev_); }

  // REQUIRES: the object is in no list of this tag.
  void PushBack(T& object) {
    ListNode<Tag>& node = object;
    ASSERT(!node.linked());
    node.prev_ = head_.prev_;
    node.next_ = &head_;
    head_.prev_->next_ = &node;
    head_.prev_ = &node;
  }
  // The same, unless the object is in the list already.
  void Add(T& object) {
    if (!static_cast<ListNode<Tag>&>(object).linked()) PushBack(object);
  }
  // Takes out the first one; nullptr if there is none.
  T* PopFront() {
    if (empty()) return nullptr;
    ListNode<Tag>* const node = head_.next_;
    node->Unlink();
    return Object(node);
  }
  // Moves all objects of `other` to the end of this list, in constant time.
  void Append(IntrusiveList& other) {
    if (other.empty()) return;
    ListNode<Tag>* const first = other.head_.next_;
    ListNode<Tag>* const last = other.head_.prev_;
    other.head_.prev_ = other.head_.next_ = &other.head_;
    first->prev_ = head_.prev_;
    head_.prev_->next_ = first;
    last->next_ = &head_;
    head_.prev_ = last;
  }

  // Visits all; `visit` must not change the list.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (ListNode<Tag>* node = head_.next_; node != &head_; node = node->next_) {
      visit(*Object(node));
    }
  }
  // The one after this one; nullptr if it is the last.
  T* Next(const T& object) const {
    ListNode<Tag>* const next = static_cast<const ListNode<Tag>&>(object).next_;
    return next == &head_ ? nullptr : Object(next);
  }

 private:
  static T* Object(ListNode<Tag>* node) { return static_cast<T*>(node); }

  ListNode<Tag> head_;
};

}  // namespace runnel
