#include "utils/bench_settings.h"

#include <algorithm>

namespace runnel::bench {

LoadPlan Settings::Plan(const std::string& name, uint64_t plan_requests) const {
  LoadPlan plan;
  plan.endpoint = endpoint;
  plan.name = name;
  plan.connections = connections;
  plan.pipeline = pipeline;
  plan.threads = threads;
  plan.requests = plan_requests;
  plan.seconds = seconds;
  plan.rate = rate;
  plan.server_pid = server_pid;
  plan.progress = progress;
  return plan;
}

uint64_t Settings::Requests(uint64_t usual) const {
  if (requests > 0) return requests;
  return std::max<uint64_t>(static_cast<uint64_t>(static_cast<double>(usual) * scale), 1);
}

}  // namespace runnel::bench
