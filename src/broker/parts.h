#pragma once

namespace runnel {

class Admission;
class BrokerHost;
class ChangeLog;
class ChangePolicy;
class CommandTable;
class Dispatcher;
class Executor;
class Expiry;
class Functions;
class Keyspace;
class LatencyMonitor;
class Monitors;
class Notifications;
class Outbox;
class Parking;
class Pause;
class PubSub;
class Random;
class Scripts;
class Sessions;
class SlowLog;
class Sweeper;
class Tracking;
class TurnClock;
class TurnMeter;
class TopicGroups;
class Waiting;
class Watches;
struct Settings;
struct Stats;

// The parts of the broker, for commands about it: each includes the parts that it uses. From low
// to high, as in README.md. Owned by Broker.
struct Parts {
  Keyspace& keyspace;
  const Settings& settings;
  BrokerHost& host;
  TurnClock& clock;
  TurnMeter& meter;
  CommandTable& commands;
  Stats& stats;
  SlowLog& slowlog;
  LatencyMonitor& latency;
  Sessions& sessions;
  Pause& pause;
  ChangeLog& log;
  ChangePolicy& policy;
  Outbox& outbox;
  PubSub& pubsub;
  Notifications& notifications;
  Expiry& expiry;
  Monitors& monitors;
  Tracking& tracking;
  Watches& watches;
  Waiting& waiting;
  TopicGroups& topic_groups;
  Random& random;  // for commands
  Parking& parking;
  Sweeper& sweeper;
  Scripts& scripts;
  Functions& functions;
  Admission& admission;
  Executor& executor;
  Dispatcher& dispatcher;
};

}  // namespace runnel
