#include "data/database.h"

namespace runnel {

Database::~Database() {
  table_.ForEach([](KeyEntry* entry) { KeyEntry::Destroy(entry); });
}

}  // namespace runnel
