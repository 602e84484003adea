// A producer for a topic, as an example. It appends the lines of its standard input, each exactly
// once: line n has the sequence number n. If the program ends in the middle, start it again with
// the same input: it goes on after the last line that the server has.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "utils/examples/client.h"

namespace {

using namespace runnel::examples;

struct Options {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string name;
  std::string topic;
};

// Sends the command until there is a reply. A TADD with a sequence number may be sent again: if it
// was executed before, it gets its first reply again and adds nothing.
Reply CallUntilAnswered(Client& client, const std::vector<std::string>& command) {
  while (true) {
    try {
      return client.Call(command);
    } catch (const Lost& lost) {
      std::cerr << "waiting: " << lost.what() << '\n';
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }
}

void Produce(Client& client, const Options& options) {
  // The new epoch fences an instance of this producer that may still run somewhere.
  const Reply opened =
      CallUntilAnswered(client, {"TPRODUCER", "OPEN", options.topic, options.name});
  const std::string epoch = std::to_string(opened->element[0]->integer);
  const long long last_seq = opened->element[1]->integer;  // -1: the server has no line
  long long seq = 0;
  for (std::string line; std::getline(std::cin, line); seq++) {
    if (seq <= last_seq) continue;
    const size_t tab = line.find('\t');
    std::vector<std::string> add = {"TADD", options.topic};
    if (tab != std::string::npos) add.insert(add.end(), {"KEY", line.substr(0, tab)});
    const std::string value = tab == std::string::npos ? line : line.substr(tab + 1);
    add.insert(add.end(),
               {"PRODUCER", options.name, epoch, std::to_string(seq), "*", "value", value});
    CallUntilAnswered(client, add);
  }
  std::cerr << "the server has " << std::max(seq, last_seq + 1) << " lines, "
            << std::max(seq - last_seq - 1, 0LL) << " of them from this run" << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Appends lines of the standard input to a topic: key, a tab, and the value, which\n"
      "becomes the field `value`. A line without a tab has no key. Started again with\n"
      "the same input, it goes on after the last line that the server has.");
  app.add_option("--host", options.host, "the server")->capture_default_str();
  app.add_option("--port", options.port, "its port")->capture_default_str();
  app.add_option("--name", options.name, "the producer: one name for each input")->required();
  app.add_option("topic", options.topic, "a topic that exists")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    Client client(options.host, options.port);
    Produce(client, options);
  } catch (const std::exception& error) {
    // FENCED: another instance of this producer was started.
    std::cerr << "topic_producer: " << error.what() << '\n';
    return 1;
  }
}
