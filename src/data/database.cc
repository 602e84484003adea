#include "data/database.h"

namespace runnel {

Database::~Database() {
  table_.ForEach([](Entry* entry) { Entry::Destroy(entry); });
}

}  // namespace runnel
