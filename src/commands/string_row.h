#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// How much an effect should have at most, beside one string that is longer: then one that is read
// again takes a short time, and so does its record.
inline bool IsWholePart(size_t strings, size_t bytes) {
  constexpr size_t kStrings = 1024;
  constexpr size_t kBytes = 256 * 1024;
  return strings >= kStrings || bytes >= kBytes;
}

// Calls visit(span) for all items in their order, as many at a time as an effect should have.
// `bytes_of(item)` is how many bytes the string of an item has.
template <class Item, class BytesOf, class Visit>
void VisitParts(std::span<const Item> items, BytesOf bytes_of, Visit visit) {
  size_t begin = 0;
  size_t bytes = 0;
  for (size_t i = 0; i < items.size(); i++) {
    bytes += bytes_of(items[i]);
    if (i + 1 < items.size() && !IsWholePart(i + 1 - begin, bytes)) continue;
    visit(items.subspan(begin, i + 1 - begin));
    begin = i + 1;
    bytes = 0;
  }
}

// Copies of strings, one after the other in one buffer: what a command takes out of values that it
// is about to change, or of which it is given views for a moment only.
class StringRow {
 public:
  void Add(std::string_view string) {
    bytes_.append(string);
    ends_.push_back(bytes_.size());
  }

  size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  // REQUIRES: i < size(). The view is valid until the next Add.
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

  // At least the bytes that the strings take in an effect.
  size_t EffectBytes() const { return bytes_.size() + kMostVarint * ends_.size(); }

  // Calls visit(std::span<const std::string_view>) for all strings in their order, some at a time
  // (VisitParts).
  template <class Visit>
  void ForEachPart(Visit visit) const {
    std::vector<std::string_view> part;
    size_t bytes = 0;
    for (size_t i = 0; i < size(); i++) {
      part.push_back((*this)[i]);
      bytes += part.back().size();
      if (i + 1 < size() && !IsWholePart(part.size(), bytes)) continue;
      visit(std::span<const std::string_view>(part));
      part.clear();
      bytes = 0;
    }
  }

 private:
  static constexpr size_t kMostVarint = 5;  // of the size of a string, which is below 4 GiB

  std::string bytes_;
  std::vector<size_t> ends_;
};

}  // namespace runnel
