#include "tests/compat/view.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

namespace runnel::compat {
namespace {

using test::Reply;
using Kind = Reply::Kind;

bool IsText(const Reply& reply) {
  return reply.kind == Kind::kBulk || reply.kind == Kind::kSimple || reply.kind == Kind::kVerbatim;
}

bool IsMapLike(const Reply& reply) {
  if (reply.kind == Kind::kMap) return true;
  if (reply.kind != Kind::kArray || reply.items.size() % 2 != 0) return false;
  for (size_t i = 0; i < reply.items.size(); i += 2) {
    if (!IsText(reply.items[i])) return false;
  }
  return true;
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void SortItems(Reply* reply) {
  for (Reply& item : reply->items)
    SortItems(&item);
  const auto before = [](const Reply& a, const Reply& b) {
    return test::ToText(a) < test::ToText(b);
  };
  if (reply->kind != Kind::kMap) {
    std::sort(reply->items.begin(), reply->items.end(), before);
    return;
  }
  std::map<Reply, Reply, decltype(before)> pairs(before);
  for (size_t i = 0; i + 1 < reply->items.size(); i += 2) {
    pairs.emplace(reply->items[i], reply->items[i + 1]);
  }
  reply->items.clear();
  for (const auto& [key, value] : pairs) {
    reply->items.push_back(key);
    reply->items.push_back(value);
  }
}

// Replaces every value by the name of its kind; errors stay.
void KeepTypes(Reply* reply) {
  if (reply->is_aggregate()) {
    for (Reply& item : reply->items)
      KeepTypes(&item);
  } else if (reply->kind == Kind::kInteger) {
    *reply = Reply::Note("integer");
  } else if (IsText(*reply)) {
    reply->text = "any";
  }
}

void MaskDigits(Reply* reply) {
  for (Reply& item : reply->items)
    MaskDigits(&item);
  if (reply->kind == Kind::kInteger) *reply = Reply::Note("digits");
  std::string masked;
  for (const char c : reply->text) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
      masked += c;
    } else if (masked.empty() || masked.back() != 'N') {
      masked += 'N';
    }
  }
  reply->text = masked;
}

// The value of `name` in a text of name=value or name:value words, one a line (INFO) or several
// (CLIENT LIST). Null if it is not there.
const char* FindField(const std::string& text, const std::string& name) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const bool starts = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n';
    const size_t end = at + name.size();
    if (starts && end < text.size() && (text[end] == '=' || text[end] == ':')) {
      return text.c_str() + end + 1;
    }
  }
  return nullptr;
}

void KeepFields(const std::vector<std::string>& names, bool values, Reply* reply) {
  if (!IsText(*reply)) return;
  // A verbatim string keeps its "txt:", which the first name follows.
  const size_t prefix = reply->kind == Kind::kVerbatim ? 4 : 0;
  const std::string text = reply->text.substr(std::min(prefix, reply->text.size()));
  std::string kept = reply->text.substr(0, prefix);
  for (const std::string& name : names) {
    const char* const value = FindField(text, name);
    kept += name + '=';
    if (value == nullptr) {
      kept += "(missing)";
    } else if (values) {
      kept += std::string_view(value).substr(0, strcspn(value, " \r\n"));
    }
    kept += ' ';
  }
  reply->text = kept;
}

// A map that has these names and no values.
Reply NameMap(const std::set<std::string>& names) {
  Reply map;
  map.kind = Kind::kMap;
  for (const std::string& name : names) {
    map.items.push_back(Reply::Bulk(name));
    map.items.push_back(Reply::Note("any"));
  }
  return map;
}

// The names of the fields of a text (INFO, CLIENT LIST), of all its lines together. "# Section" is
// a name, too.
Reply FieldNames(const std::string& text) {
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (line[0] == '#') {
      names.insert(line);
      continue;
    }
    // Values of INFO may hold blanks, those of CLIENT LIST do not.
    const size_t end = line.find_first_of("=: ");
    if (end != std::string::npos && line[end] == ':') {
      names.insert(line.substr(0, end));
      continue;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      names.insert(word.substr(0, word.find('=')));
    }
  }
  return NameMap(names);
}

// Keeps the names of fields, and of the fields of what they hold.
void KeepNames(Reply* reply) {
  if (IsText(*reply)) {
    const size_t prefix = reply->kind == Kind::kVerbatim ? 4 : 0;
    *reply = FieldNames(reply->text.substr(std::min(prefix, reply->text.size())));
    return;
  }
  if (!IsMapLike(*reply)) {
    for (Reply& item : reply->items) {
      if (item.is_aggregate()) KeepNames(&item);
    }
    return;
  }
  std::map<std::string, Reply> fields;
  for (size_t i = 0; i < reply->items.size(); i += 2) {
    Reply& value = reply->items[i + 1];
    if (!value.is_aggregate()) value = Reply::Note("any");
    if (value.is_aggregate()) KeepNames(&value);
    fields.emplace(reply->items[i].text, std::move(value));
  }
  reply->kind = Kind::kMap;
  reply->items.clear();
  for (auto& [name, value] : fields) {
    reply->items.push_back(Reply::Bulk(name));
    reply->items.push_back(std::move(value));
  }
}

void KeepErrorWord(Reply* reply) {
  if (reply->is_error()) reply->text = reply->text.substr(0, reply->text.find(' '));
}

int NumberOf(const Modifier& modifier) {
  return modifier.arguments.empty() ? 0 : atoi(modifier.arguments[0].c_str());
}

void CutItems(size_t size, Reply* reply) {
  if (reply->items.size() > size) reply->items.resize(size);
}

void Apply(const Modifier& modifier, Reply* reply) {
  const size_t number = static_cast<size_t>(NumberOf(modifier));
  if (modifier.name == "sort") SortItems(reply);
  if (modifier.name == "type") KeepTypes(reply);
  if (modifier.name == "digits") MaskDigits(reply);
  if (modifier.name == "fields") KeepFields(modifier.arguments, true, reply);
  if (modifier.name == "have") KeepFields(modifier.arguments, false, reply);
  if (modifier.name == "names") KeepNames(reply);
  if (modifier.name == "drop") DropFields(modifier.arguments, reply);
  if (modifier.name == "error") KeepErrorWord(reply);
  if (modifier.name == "head") CutItems(number, reply);
  if (modifier.name == "cut") {
    for (Reply& item : reply->items)
      CutItems(number, &item);
  }
  if (modifier.name == "mask" && number < reply->items.size()) {
    reply->items[number] = Reply::Note("masked");
  }
}

}  // namespace

Reply Viewed(const Reply& reply, const Step& step) {
  Reply viewed = reply;
  for (const Modifier& modifier : step.modifiers)
    Apply(modifier, &viewed);
  return viewed;
}

void DropFields(const std::vector<std::string>& names, Reply* reply) {
  for (Reply& item : reply->items)
    DropFields(names, &item);
  if (!IsMapLike(*reply)) return;
  std::vector<Reply> kept;
  for (size_t i = 0; i < reply->items.size(); i += 2) {
    if (Contains(names, reply->items[i].text)) continue;
    kept.push_back(std::move(reply->items[i]));
    kept.push_back(std::move(reply->items[i + 1]));
  }
  reply->items = std::move(kept);
}

void MaskFields(const std::vector<std::string>& names, Reply* reply, bool nulls) {
  for (Reply& item : reply->items)
    MaskFields(names, &item, nulls);
  if (!IsMapLike(*reply)) return;
  for (size_t i = 0; i < reply->items.size(); i += 2) {
    Reply& value = reply->items[i + 1];
    const bool null = value.kind == Kind::kNull || value.kind == Kind::kNullBulk;
    if (Contains(names, reply->items[i].text) && (nulls || !null)) value = Reply::Note("masked");
  }
}

}  // namespace runnel::compat
