#include "server/server.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/version.h"
#include "broker/commands/broker_families.h"
#include "env/posix/posix_disk.h"
#include "fmt/format.h"
#include "server/families.h"

namespace runnel {
namespace {

constexpr int64_t kCronMs = 1000 / kCronHz;
// How long loading goes on before the loop has a turn, unless one piece of it takes longer, and how
// much is done between two looks at the clock: work of some 100 microseconds.
constexpr int64_t kLoadMicros = 20'000;
constexpr size_t kLoadBudget = 256;
// File descriptors that are not client connections.
constexpr rlim_t kReservedFiles = 32;

// Lets the process open as many files as maxclients asks for, as far as the system lets it. Returns
// how many clients there is room for.
uint32_t RaiseFileLimit(uint32_t maxclients) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return maxclients;
  const rlim_t wanted = maxclients + kReservedFiles;
  if (limit.rlim_cur >= wanted) return maxclients;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return maxclients;
  return limit.rlim_cur <= kReservedFiles ? 1
                                          : static_cast<uint32_t>(limit.rlim_cur - kReservedFiles);
}

}  // namespace

Server::Server(Config& config, const Supervisor& supervisor)
    : config_(config),
      supervisor_(supervisor),
      cold_settings_(ColdSettingsOf(config.settings())),
      keyspace_(config.settings().databases),
      loop_(NewUvLoop()) {
  CountThisThread();
  if (!PurgeInBackground()) LogWarning("The allocator has no threads that give memory back");
  broker_ = std::make_unique<Broker>(keyspace_, config.settings(), SystemClock(), *this);
  for (const auto family :
       {ConnectionCommands(), ClientCommands(), PubSubCommands(), TransactionCommands(),
        ScriptCommands(), FunctionCommands(), IntrospectionCommands(), ServerCommands()}) {
    broker_->commands().Add(family);
  }
  network_ = std::make_unique<Network>(*loop_, *broker_, config.settings());
  keyspace_.DisposeWith(this);
  threads_ = std::make_unique<StorageThreads>(*loop_, [this] { broker_->UpdateTime(); });
  storage_ = std::make_unique<Storage>(SystemDisk(), SystemClock(), threads_->workers(),
                                       config.options(), cold_settings_, keyspace_);
  storage_->LeadLater();
  saver_ = std::make_unique<Saver>(storage_->snapshotter(), *broker_, config.options(),
                                   SystemClock(), SystemDisk(), [this] { return roles_->hold(); });
  identity_.run_id = RandomHex(40);
  const auto connect = [this](const std::string& host, int port, ConnectFunction done) {
    return loop_->ConnectTcp(host, port, std::move(done));
  };
  roles_ = std::make_unique<Roles>(Roles::Parts{*broker_, *storage_, connect, SystemClock(),
                                                threads_->follower_reader(), config_, *saver_,
                                                identity_.run_id});
  identity_.start_us = SystemClock().UnixMicros();
}

Server::~Server() {
  keyspace_.DisposeWith(nullptr);
  timer_.reset();
  cron_.reset();
  roles_.reset();
  network_.reset();
  saver_.reset();
  broker_.reset();
  // Streams may have entries in the storage.
  keyspace_.Clear();
  storage_.reset();
  threads_.reset();
}

Status Server::Start() {
  const ServerOptions& options = config_.options();
  if (chdir(options.dir.c_str()) != 0) {
    return Status::SystemError(fmt::format("cannot work in the directory {}", options.dir), errno);
  }
  if (Status opened = storage_->Open(); !opened.ok()) return opened;
  if (Status opened = roles_->Open(); !opened.ok()) return opened;
  const uint32_t wanted = config_.settings().maxclients;
  if (const uint32_t room = RaiseFileLimit(wanted); room < wanted) {
    LogWarning(
        "maxclients is {} instead of {}: the system lets this process open no more files; raise "
        "`ulimit -n`",
        room, wanted);
    // So that clients beyond the limit get an error, and the server keeps files for itself.
    const std::string text = fmt::to_string(room);
    const Config::Pair pair("maxclients", text);
    CHECK(config_.Set({&pair, 1}).ok());
  }
  WarnAboutSettings();
  // Before what may take long: it might be in vain.
  if (Status listening = Listen(); !listening.ok()) return listening;

  for (const int ignored : {SIGPIPE, SIGUSR1, SIGUSR2}) {
    signal(ignored, SIG_IGN);
  }
  loop_->OnSignal(SIGHUP, [] { ReopenLog(); });
  loop_->OnSignal(SIGTERM, [this] { RequestShutdown("signal SIGTERM", DefaultEndSave(), false); });
  loop_->OnSignal(SIGINT, [this] { RequestShutdown("signal SIGINT", DefaultEndSave(), false); });
  loop_->OnTurn([this] {
    Turn();
    broker_->MeasureTurn();
  });
  timer_ = loop_->NewTimer([this] {
    timer_at_ms_ = -1;
    broker_->RunTimers();
  });
  cron_ = loop_->NewTimer([this] { Cron(); });
  cron_->StartAfter(kCronMs);
  ObeyChanges();
  identity_.startup_memory = AllocatedBytes();
  return Status();
}

void Server::WarnAboutSettings() const {
  const ServerOptions& options = config_.options();
  if (!options.journal && options.save.empty()) {
    LogWarning(
        "This server keeps nothing when it ends: there is no journal (`appendonly no`), and `save` "
        "has no points");
  }
  if (options.journal && options.repl_backlog_size < options.journal_segment_bytes) {
    LogNotice("repl-backlog-size is {}: one journal file, {}, is kept instead",
              options.repl_backlog_size, options.journal_segment_bytes);
  }
  const Settings& settings = config_.settings();
  if (settings.maxmemory == 0) return;
  if (settings.cold.stream_memory == 0) {
    LogWarning(
        "maxmemory is {} and stream-memory 0: old entries do not go to the disk, and writes "
        "are refused when memory is full",
        settings.maxmemory);
  } else if (settings.cold.stream_memory > settings.maxmemory / 2) {
    LogWarning(
        "stream-memory is {}, more than half of maxmemory, {}: old entries go to the disk "
        "when they take more than {}",
        settings.cold.stream_memory, settings.maxmemory, cold_settings_.stream_memory);
  }
}

// What CONFIG SET must do apart from changing the value.
void Server::ObeyChanges() {
  config_.OnChange("loglevel", [this] {
    SetLogLevel(config_.options().loglevel);
    return Status();
  });
  config_.OnChange("appendfsync", [this] {
    if (storage_->journal() != nullptr) {
      storage_->journal()->set_sync_policy(config_.options().appendfsync);
    }
    return Status();
  });
  for (const char* name : {"maxmemory", "stream-memory", "cold-compression", "cold-read-limit"}) {
    config_.OnChange(name, [this] {
      cold_settings_ = ColdSettingsOf(config_.settings());
      return Status();
    });
  }
  for (const char* name : ReplicationDirectives()) {
    config_.OnChange(name, [this] {
      roles_->TakeSettings();
      return Status();
    });
  }
  for (const char* name : {"replica-announce-ip", "replica-announce-port"}) {
    config_.OnChange(name, [this] {
      roles_->IntroduceAnew();
      return Status();
    });
  }
  config_.OnChange("maxclients", [this] {
    const uint32_t wanted = config_.settings().maxclients;
    const uint32_t room = RaiseFileLimit(wanted);
    if (room >= wanted) return Status();
    return Status::Error(fmt::format(
        "The operating system is not able to handle the specified number of clients, try with {}",
        room));
  });
}

Status Server::Listen() {
  const ServerOptions& options = config_.options();
  const int backlog = static_cast<int>(options.tcp_backlog);
  std::vector<std::string> listening;
  if (options.port != 0) {
    for (std::string address : options.bind) {
      // A dash before an address: go on without it if this machine does not have it.
      const bool optional = address.starts_with('-');
      if (optional) address.erase(0, 1);
      if (address == "*") address = "0.0.0.0";
      if (address == "::*") address = "::";
      const Status bound = network_->ListenTcp(address, options.port, backlog);
      if (bound.ok()) {
        const bool is_v6 = address.find(':') != std::string::npos;
        listening.push_back(is_v6 ? fmt::format("[{}]:{}", address, options.port)
                                  : fmt::format("{}:{}", address, options.port));
      } else if (!optional) {
        return bound;
      } else {
        LogVerbose("An optional address is left out: {}", bound.message());
      }
    }
  }
  if (!options.unixsocket.empty()) {
    const Status bound = network_->ListenUnix(options.unixsocket, backlog, options.unixsocketperm);
    if (!bound.ok()) return bound;
    listening.push_back(options.unixsocket);
  }
  if (listening.empty())
    return Status::Error("nothing to listen on: port is 0 and no unixsocket is set");
  LogNotice("Listening on {}", fmt::join(listening, ", "));
  return Status();
}

Status Server::Run() {
  broker_->set_loading(true);
  loading_.emplace(SystemClock());
  // What is loaded quickly is loaded before anybody is answered.
  LoadSome();
  threads_->Wake();
  loop_->Run();
  broker_->KeepIn(nullptr);
  storage_->Close();
  return load_status_;
}

// A piece of the loading, between two looks at the sockets.
void Server::LoadSome() {
  if (stopping_) return EndLoading(Status());
  // All is loaded.
  if (asking_) {
    if (roles_->MayBegin()) EndLoading(Status());
    return;
  }
  // Whoever still works wakes the loop when that is done.
  if (!storage_->may_load()) return;
  const int64_t until_us = SystemClock().SteadyMicros() + kLoadMicros;
  while (SystemClock().SteadyMicros() < until_us) {
    const auto all = storage_->LoadSome(kLoadBudget);
    if (!all.ok() || *all) return Loaded(all.status());
    const Startup* const startup = storage_->startup();
    if (startup == nullptr) return;
    loading_->Reached(startup->loaded_bytes(), startup->total_bytes());
  }
  // The next round comes at once.
  threads_->Wake();
}

// A server that begins to lead asks the others first: one of them may have taken over.
void Server::Loaded(Status loaded) {
  asking_ = loaded.ok() && !roles_->must_load() && !roles_->MayBegin();
  if (!asking_) EndLoading(std::move(loaded));
}

// Loading has come to its end, failed, or been given up because the server is to end.
void Server::EndLoading(Status loaded) {
  asking_ = false;
  if (stopping_ || !loaded.ok()) {
    if (stopping_) LogNotice("Loading was given up; what was kept is as it was");
    load_status_ = std::move(loaded);
    // There is nothing to save and nothing to wait for.
    stopping_ = ended_ = true;
    loading_.reset();
    return;
  }
  if (loading_->total_bytes() > 0) {
    LogNotice("What was kept is loaded: {} bytes in {:.1f} s", loading_->total_bytes(),
              loading_->elapsed_seconds());
  }
  loading_.reset();
  broker_->set_loading(false);
  broker_->KeepIn(storage_->journal());
  broker_->UseCold(storage_->cold());
  const bool again = roles_->must_load();
  again ? roles_->OnLoaded() : roles_->Begin();
  saver_->StartFrom(storage_->found());
  if (again) return;
  LogNotice("Ready to accept connections (Runnel {}, process {})", kVersion, getpid());
  FlushLog();  // so that the start is in the log when the server is ready
  supervisor_.NotifyReady();
}

// One round of the loop. Reading has parsed and executed what arrived, each request at once; here
// the round's changes are sealed, and the replies go out.
void Server::Turn() {
  broker_->EndTurn();
  if (!loading_ && !ended_) roles_busy_ = roles_->Turn();
  if (!loading_ && !ended_ && roles_->must_load()) {
    broker_->Unload();
    loading_.emplace(SystemClock());
  }
  network_busy_ = network_->NextTurn();
  if (loading_) {
    Parts& parts = broker_->parts();
    parts.clock.TakeCycles();
    LoadSome();
    parts.meter.Did(TurnMeter::Part::kOther, "load", parts.clock.TakeCycles());
  }
  if (loading_) return ArmTimer();
  if (std::exchange(end_aborted_, false)) GiveUpEnd();
  const bool waits = stopping_ && !ended_ && WaitsForFollowers();
  if (stopping_ && !waits && !ended_ && !SaveAtEnd()) {
    LogWarning("Not shutting down: what would be lost could not be saved");
    GiveUpEnd();
  }
  if (saver_->busy()) TakeSnapshotSlice();
  if (stopping_ && !waits) {
    End();
    if (network_->empty() && disposing_ == 0) return loop_->Stop();
  }
  ArmTimer();
}

void Server::TakeSnapshotSlice() {
  Parts& parts = broker_->parts();
  parts.clock.TakeCycles();
  if (saver_->Turn()) threads_->Wake();
  parts.meter.Did(TurnMeter::Part::kOther, "snapshot", parts.clock.TakeCycles());
}

// What the end saves if nobody says anything: with a journal nothing is lost without a snapshot.
Server::EndSave Server::DefaultEndSave() const {
  if (!saver_->SavesAtEnd()) return EndSave::kNothing;
  return config_.options().journal ? EndSave::kIfPossible : EndSave::kSnapshot;
}

// Whether followers still lack what was changed here, and there is time left. Nothing changes
// meanwhile.
bool Server::WaitsForFollowers() {
  if (!followers_until_ms_) return false;
  const size_t lagging = broker_->log().sealed() ? roles_->LaggingFollowers() : 1;
  if (lagging > 0 && broker_->clock().steady_ms() < *followers_until_ms_) return true;
  followers_until_ms_.reset();
  if (lagging > 0) {
    LogWarning("{} followers do not have all changes yet; they are not waited for any longer",
               lagging);
  } else {
    LogNotice("All connected followers have all changes");
  }
  return false;
}

// The server goes on, and whoever waits for its end is told.
void Server::GiveUpEnd() {
  stopping_ = false;
  followers_until_ms_.reset();
  broker_->HoldWrites(HoldReason::kShutdown, false);
  broker_->ServeSnapshotWaiters();
  broker_->EndTurn();
}

// Whether the server may end.
bool Server::SaveAtEnd() {
  if (end_save_ == EndSave::kNothing) return true;
  const bool if_possible = end_save_ == EndSave::kIfPossible;
  return saver_->SaveNow(if_possible).ok() || if_possible;
}

// Replies that wait for the disk get what they wait for; then what was answered leaves, as far as
// the kernel takes it.
void Server::End() {
  if (!ended_) {
    ended_ = true;
    supervisor_.NotifyStopping();
    storage_->Sync();
    broker_->EndTurn();
    roles_->SayGoodbye();
    roles_->End();
  }
  network_->Close();
}

void Server::ArmTimer() {
  int64_t wait_ms = network_busy_ || roles_busy_ ? 0 : broker_->NextTimerMs();
  const bool roles_work = (!loading_ || asking_) && !ended_;
  if (const int64_t roles_ms = roles_work ? roles_->NextTimerMs() : -1; roles_ms >= 0) {
    wait_ms = wait_ms < 0 ? roles_ms : std::min(wait_ms, roles_ms);
  }
  if (followers_until_ms_) {
    const int64_t left_ms =
        std::max<int64_t>(*followers_until_ms_ - broker_->clock().steady_ms(), 0);
    wait_ms = wait_ms < 0 ? left_ms : std::min(wait_ms, left_ms);
  }
  if (wait_ms < 0) {
    if (timer_at_ms_ >= 0) timer_->Stop();
    timer_at_ms_ = -1;
    return;
  }
  const int64_t at_ms = broker_->clock().steady_ms() + wait_ms;
  if (at_ms == timer_at_ms_) return;
  timer_at_ms_ = at_ms;
  // What has passed since the broker looked at the clock may be much, if this round did much.
  const int64_t now_ms = SystemClock().SteadyMicros() / 1000;
  timer_->StartAfter(at_ms - now_ms);
}

void Server::Cron() {
  broker_->RunCron();
  if (!stopping_ && !loading_) saver_->Cron();
  cron_->StartAfter(kCronMs);
}

void Server::Submit(std::function<void()> work, std::function<void()> done) {
  loop_->Submit(std::move(work), std::move(done));
}

void Server::Dispose(std::unique_ptr<Disposable> value) {
  FreeLater(std::move(value), 1);
}

void Server::Dispose(std::unique_ptr<Database> database) {
  const uint64_t objects = database->size();
  FreeLater(std::move(database), objects);
}

template <class T>
void Server::FreeLater(std::unique_ptr<T> garbage, uint64_t objects) {
  T* freed = garbage.release();
  disposing_ += objects;
  broker_->SetFreeing(true);
  loop_->Submit([freed] { delete freed; },
                [this, objects] {
                  disposing_ -= objects;
                  broker_->stats().lazyfreed_objects += objects;
                  broker_->SetFreeing(disposing_ > 0);
                });
}

bool Server::RequestShutdown(std::string_view reason, EndSave save, bool now) {
  if (stopping_) {
    if (now) followers_until_ms_.reset();
    return followers_until_ms_.has_value();
  }
  LogNotice("Shutting down: {}", reason);
  stopping_ = true;
  // What is half loaded must not take the place of what was kept.
  end_save_ = loading_ ? EndSave::kNothing : save;
  const int64_t most_ms = int64_t{config_.options().shutdown_timeout_s} * 1000;
  if (loading_ || now || most_ms == 0 || !roles_->has_followers()) return false;
  broker_->HoldWrites(HoldReason::kShutdown, true);
  followers_until_ms_ = broker_->clock().steady_ms() + most_ms;
  return true;
}

void Server::EndAtOnce(std::string_view reason) {
  LogWarning("Shutting down at once: {}. What it has changed is not kept", reason);
  supervisor_.NotifyStopping();
  const std::string& pidfile = config_.options().pidfile;
  if (!pidfile.empty()) unlink(pidfile.c_str());
  FlushLog();
  _exit(0);
}

// Those that wait are told at the end of the turn.
bool Server::AbortShutdown() {
  if (!followers_until_ms_) return false;
  LogNotice("Not shutting down: a client has said so (SHUTDOWN ABORT)");
  followers_until_ms_.reset();
  end_aborted_ = true;
  return true;
}

}  // namespace runnel
