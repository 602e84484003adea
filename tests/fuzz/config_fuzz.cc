// Any text is a configuration or gives an error with a place; and what a good one sets can be shown
// and set again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/text.h"
#include "server/config.h"
#include "server/config_directives.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using runnel::ConfigValues;
  using runnel::Directive;

  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // No other files: what they hold is not ours to say.
  if (runnel::LowerCase(text).find("include") != std::string::npos) return 0;

  ConfigValues values("/");
  const runnel::Status status = runnel::LoadConfigText(text, "x.conf", &values);
  if (!status.ok()) {
    CHECK(status.message().starts_with("x.conf:"));
    return 0;
  }
  ConfigValues again("/");
  for (const Directive& directive : runnel::Directives()) {
    const std::string shown = directive.format(directive, values);
    const std::vector<std::string> words = {shown};
    CHECK(runnel::ParseDirective(directive, words, &again).ok());
    CHECK(directive.format(directive, again) == shown);
  }
  return 0;
}
