#include "tests/compat/shrink.h"

#include <algorithm>
#include <vector>

namespace runnel::compat {
namespace {

// Steps that stay together: a step and those glued to it.
std::vector<Script> SplitIntoParts(const Script& script) {
  std::vector<Script> parts;
  for (const Step& step : script) {
    if (!step.glued || parts.empty()) parts.emplace_back();
    parts.back().push_back(step);
  }
  return parts;
}

// Joins the parts but those from `first` to `end`, and ends every pipeline that lost its end.
Script Join(const std::vector<Script>& parts, size_t first, size_t end) {
  Script script;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i < first || i >= end) script.insert(script.end(), parts[i].begin(), parts[i].end());
  }
  for (size_t i = 0; i < script.size(); ++i) {
    const bool last = i + 1 == script.size() || script[i + 1].connection != script[i].connection;
    if (last) script[i].more = false;
  }
  return script;
}

}  // namespace

Script Shrink(const Script& script, const std::function<bool(const Script&)>& fails, int trials) {
  std::vector<Script> parts = SplitIntoParts(script);
  for (size_t size = std::max<size_t>(1, parts.size() / 2); size > 0 && trials > 0;) {
    bool shorter = false;
    // From the end: what follows the failure goes first.
    for (size_t end = parts.size(); end > 0 && trials > 0;) {
      const size_t first = end - std::min(size, end);
      --trials;
      if (fails(Join(parts, first, end))) {
        parts.erase(parts.begin() + static_cast<ptrdiff_t>(first),
                    parts.begin() + static_cast<ptrdiff_t>(end));
        shorter = true;
      }
      end = first;
    }
    if (!shorter || size > 1) size = size == 1 ? 0 : size / 2;
  }
  Script shrunk = Join(parts, 0, 0);
  Script apart = shrunk;
  for (Step& step : apart)
    step.more = false;
  return fails(apart) ? apart : shrunk;
}

}  // namespace runnel::compat
