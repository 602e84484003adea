// A consumer of topics, as an example. It commits what it has printed. So each record is printed at
// least once: what was printed and not committed is printed again after a crash.
#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "utils/examples/client.h"

namespace {

using namespace runnel::examples;

volatile std::sig_atomic_t stopping = 0;

struct Options {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string group;
  std::string member;
  std::vector<std::string> topics;
};

// `fields` holds name, value, name, value ...
std::string FindField(const redisReply& fields, std::string_view name) {
  for (size_t i = 0; i + 1 < fields.elements; i += 2) {
    if (Text(*fields.element[i]) == name) return Text(*fields.element[i + 1]);
  }
  return {};
}

// A real consumer would do its work here. A record is an ID, fields, and (WITHKEY) a key or null.
void Process(const std::string& partition, const redisReply& records) {
  for (size_t i = 0; i < records.elements; i++) {
    const redisReply& record = *records.element[i];
    std::cout << partition << '\t' << Text(*record.element[0]) << '\t' << Text(*record.element[2])
              << '\t' << FindField(*record.element[1], "value") << '\n';
  }
  std::cout.flush();
}

// Processes what one call has given: for each partition its name, epoch and records.
void ProcessAll(Client& client, const Options& options, const redisReply& partitions) {
  for (size_t i = 0; i < partitions.elements; i++) {
    const redisReply& part = *partitions.element[i];
    const std::string partition = Text(*part.element[0]);
    const std::string epoch = std::to_string(part.element[1]->integer);
    const redisReply& records = *part.element[2];
    Process(partition, records);
    const std::string last_id = Text(*records.element[records.elements - 1]->element[0]);
    try {
      client.Call({"TCOMMIT", options.group, partition, epoch, last_id});
    } catch (const Refused& refused) {
      // Another member has this partition now, or TGROUP RESET has moved it: the work on these
      // records does not count. The other partitions are not concerned.
      if (!refused.Is("FENCED")) throw;
      std::cerr << "dropped: " << refused.what() << '\n';
    }
  }
}

// Not being served is no end: the next call joins again.
void Wait(const std::exception& reason) {
  std::cerr << "waiting: " << reason.what() << '\n';
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

void Consume(Client& client, const Options& options) {
  // BLOCK is short, so that a signal is noticed soon.
  std::vector<std::string> fetch = {"TREADGROUP", options.group, options.member, "COUNT",
                                    "100",        "BLOCK",       "1000",         "WITHKEY",
                                    "FROM",       "EARLIEST",    "TOPICS"};
  fetch.insert(fetch.end(), options.topics.begin(), options.topics.end());
  while (stopping == 0) {
    try {
      ProcessAll(client, options, *client.Call(fetch));
    } catch (const Lost& lost) {
      // The rest of the batch is dropped. What is not committed is given again.
      Wait(lost);
    } catch (const Refused& refused) {
      // Another process calls as the same member.
      if (!refused.Is("FENCED")) throw;
      Wait(refused);
    }
  }
  // Without this the partitions would wait for the member until the end of GRACE-MS.
  client.Call({"TGROUP", "LEAVE", options.group, options.member});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Joins a group of consumers of topics and prints the records that it is given:\n"
      "partition, ID, key and the field `value`, separated by tabs. SIGINT and SIGTERM\n"
      "end it; its partitions then go to the other members at once.");
  app.add_option("--host", options.host, "the server")->capture_default_str();
  app.add_option("--port", options.port, "its port")->capture_default_str();
  app.add_option("--group", options.group, "the group; it is made if it is missing")->required();
  app.add_option("--member", options.member, "a name that no other process uses")->required();
  app.add_option("topic", options.topics, "topics, and patterns such as 'orders.*'")->required();
  CLI11_PARSE(app, argc, argv);
  const auto stop = [](int) { stopping = 1; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  try {
    Client client(options.host, options.port);
    Consume(client, options);
  } catch (const std::exception& error) {
    std::cerr << "topic_consumer: " << error.what() << '\n';
    return 1;
  }
}
