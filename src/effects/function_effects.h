#pragma once

#include "effects/effect.h"
