#include "effects/function_effects.h"

#include "effects/families.h"

namespace runnel {

std::span<const EffectKind> FunctionEffects() {
  return {};
}

}  // namespace runnel
