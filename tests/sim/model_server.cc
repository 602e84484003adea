#include "tests/sim/model_server.h"

#include <gtest/gtest.h>

#include <utility>

#include "broker/commands/broker_families.h"
#include "fmt/format.h"
#include "replication/wire.h"
#include "resp/request_parser.h"

namespace runnel::sim {
namespace {

// A step of loading: small, so that other servers go on meanwhile.
constexpr size_t kLoadBudget = 3;

}  // namespace

// A connection that has not become a link yet, and its session: waits for REPLICATION FOLLOW.
class Lobby final : public ByteStreamHandler, public Transport {
 public:
  Lobby(std::unique_ptr<ByteStream> stream, ModelServer& server)
      : stream_(std::move(stream)), server_(server) {
    stream_->Start(this);
  }
  ~Lobby() override { Leave(); }

  bool done() const { return stream_ == nullptr || closed_; }

  // ByteStreamHandler
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t bytes) override {
    input_.append(buffer_, bytes);
    RequestParser parser;
    if (session_ != nullptr ||
        parser.Parse(input_, {1 << 20, true}) != RequestParser::Outcome::kRequest) {
      return;
    }
    if (server_.loading()) return Reply("-LOADING\r\n");
    if (parser.args()[0] == "PING") {
      input_.erase(0, parser.consumed());
      return Reply("+PONG\r\n");
    }
    if (parser.args()[1] == "LEADER") {
      return Reply("+" + server_.roles().Claim().ToLine() + "\r\n");
    }
    auto request = replication::FollowRequest::FromWords(parser.args().subspan(2));
    server_.Expect(request.status(), "a request to follow");
    if (!request.ok()) return;
    session_ = &server_.broker().Connect(this);
    const Status admitted = server_.roles().Admit(*session_, *request);
    if (admitted.ok()) return;
    Leave();
    Reply("-ERR " + std::string(admitted.message()) + "\r\n");
  }
  // One that becomes a link will see it there.
  void OnEnd(std::string_view) override {
    if (session_ == nullptr) stream_->Close();
  }
  void OnWritten(std::string_view) override {}
  void OnClosed() override {
    Leave();
    closed_ = true;
  }

  // Transport
  std::unique_ptr<ByteStream> GiveAway() override {
    Leave();
    stream_->PauseReading();
    return std::move(stream_);
  }
  void Send(Rope&&) override {}
  void CloseAfterSending() override { CloseNow(); }
  void CloseNow() override {
    Leave();
    stream_->Close();
  }
  void Continue() override {}
  size_t unsent_bytes() const override { return 0; }
  size_t unsent_memory() const override { return 0; }
  size_t input_bytes() const override { return 0; }
  size_t input_memory() const override { return 0; }
  int fd() const override { return -1; }
  const std::string& peer() const override { return peer_; }
  const std::string& local() const override { return peer_; }
  bool is_unix() const override { return false; }

 private:
  void Leave() {
    if (session_ != nullptr) server_.broker().Disconnect(*std::exchange(session_, nullptr));
  }
  void Reply(const std::string& text) {
    const iovec vector{const_cast<char*>(text.data()), text.size()};
    stream_->TryWrite(&vector, 1);
  }

  std::unique_ptr<ByteStream> stream_;
  ModelServer& server_;
  Session* session_ = nullptr;
  char buffer_[512];
  std::string input_;
  std::string peer_ = "127.0.0.1:1";
  bool closed_ = false;
};

ModelServer::ModelServer(std::string name, uint64_t seed, Connect connect)
    : name_(std::move(name)), connect_(std::move(connect)), disk_(seed) {
  options_.dir = ".";
  options_.unclean_leader_election = true;
  // Whoever chance promotes leads, and what it lacks is given up. Others reach it by its name.
  const Config::Pair settings[] = {{"unclean-leader-election", "yes"},
                                   {"replica-announce-ip", name_},
                                   {"replica-announce-port", "1"}};
  EXPECT_TRUE(config_.Set(settings).ok());
}

ModelServer::~ModelServer() {
  if (running()) Stop(Crash::kProcess);
}

void ModelServer::Configure(std::string_view name, std::string_view value) {
  const Config::Pair pair{name, value};
  const Status set = config_.Set({&pair, 1});
  EXPECT_TRUE(set.ok()) << set.message();
  if (running() && !loading_) roles_->TakeSettings();
}

// Nothing else fails than a disk that has stopped.
void ModelServer::Expect(const Status& status, std::string_view what) {
  if (status.ok() || disk_.stopped()) return;
  const std::string wrong = fmt::format("server {}, {}: {}", name_, what, status.message());
  on_wrong_ ? on_wrong_(wrong) : ADD_FAILURE() << wrong;
}

bool ModelServer::Start(int64_t now_ms) {
  lives_++;
  harness_ = std::make_unique<testing::BrokerHarness>(settings_, host_);
  for (const auto family : {ConnectionCommands(), ClientCommands(), TransactionCommands(),
                            FunctionCommands(), IntrospectionCommands()}) {
    harness_->broker.commands().Add(family);
  }
  harness_->clock.Advance(now_ms);
  harness_->clock.unix_us += wall_clock_ahead_ms_ * 1000;
  harness_->broker.UpdateTime();
  storage_ = std::make_unique<Storage>(
      disk_, harness_->clock,
      Storage::Workers{log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_},
      options_, settings_.cold, harness_->keyspace, cold_sizes_);
  storage_->LeadLater();
  saver_ = std::make_unique<Saver>(storage_->snapshotter(), harness_->broker, options_,
                                   harness_->clock, disk_, [this] { return roles_->hold(); });
  roles_ = std::make_unique<Roles>(Roles::Parts{
      harness_->broker, *storage_,
      [this](const std::string& host, int, ConnectFunction done) {
        return connect_(host, std::move(done));
      },
      harness_->clock, reader_, config_, *saver_, name_ + "-" + std::to_string(lives_)});
  harness_->broker.set_loading(true);
  loading_ = true;
  asking_ = false;
  began_to_follow_ = !config_.options().leader_host.empty();
  Status opened = storage_->Open();
  if (opened.ok()) opened = roles_->Open();
  Expect(opened, "the start");
  while (opened.ok() && loading_ && !asking_ && LoadSome()) {
    // What it began is to end before it begins anew.
    if (!storage_->may_load()) StepWorkers([] { return true; });
  }
  return !loading_ || asking_;
}

// False if that was in vain.
bool ModelServer::LoadSome() {
  options_.leader_host = config_.options().leader_host;
  if (asking_) {
    if (roles_->MayBegin()) BeginToServe();
    return true;
  }
  if (!storage_->may_load()) return true;
  const auto all = storage_->LoadSome(kLoadBudget);
  Expect(all.status(), "loading");
  if (!all.ok()) return false;
  if (!*all) return true;
  asking_ = !roles_->must_load() && !roles_->MayBegin();
  if (!asking_) BeginToServe();
  return true;
}

void ModelServer::BeginToServe() {
  loading_ = asking_ = false;
  Broker& broker = harness_->broker;
  broker.set_loading(false);
  broker.KeepIn(storage_->journal());
  broker.UseCold(storage_->cold());
  roles_->must_load() ? roles_->OnLoaded() : roles_->Begin();
  saver_->StartFrom(storage_->found());
}

void ModelServer::SetWallClock(int64_t ahead_ms) {
  const int64_t jump_ms = ahead_ms - std::exchange(wall_clock_ahead_ms_, ahead_ms);
  if (running()) harness_->clock.unix_us += jump_ms * 1000;
}

void ModelServer::Turn(int64_t now_ms) {
  testing::ManualClock& clock = harness_->clock;
  const int64_t passed_ms = now_ms - (clock.steady_us - testing::ManualClock().steady_us) / 1000;
  clock.Advance(passed_ms);
  Broker& broker = harness_->broker;
  broker.UpdateTime();
  broker.RunTimers();
  broker.EndTurn();
  // What replies depend on. The beginning of an epoch, which has no changes, may lie beyond.
  const Position end = broker.log().watermarks().appended.position;
  for (const auto& [number, client] : clients_) {
    client->NoteTurn(end);
  }
  if (!loading_) roles_->Turn();
  if (!loading_ && roles_->must_load()) {
    reloads_++;
    broker.Unload();
    loading_ = true;
  }
  if (loading_) {
    LoadSome();
  } else if (saver_->busy()) {
    saver_->Turn();
  }
  std::erase_if(lobbies_, [](const auto& lobby) { return lobby->done(); });
}

void ModelServer::StepWorkers(const std::function<bool()>& chance) {
  for (SteppedWorker* const worker :
       {&log_, &helper_, &snapshot_, &cold_writer_, &cold_reader_, &cold_syncer_, &reader_}) {
    if (chance()) worker->Step();
  }
}

void ModelServer::Ask(Argv command, size_t number) {
  auto& client = clients_[number];
  if (client == nullptr || !client->open()) {
    client = std::make_unique<CrashClient>(harness_->broker, disk_);
    for (const Argv& greeting : greetings_[number]) {
      client->Request(greeting);
    }
  }
  client->Request(std::move(command));
}

void ModelServer::TakeReplies(const CrashClient::Told& told, size_t number) {
  const auto found = clients_.find(number);
  if (found == clients_.end() || found->second->Receive(told)) return;
  Expect(Status::Error("what came is not one reply for each request"), "a client");
}

bool ModelServer::connected(size_t number) const {
  const auto found = clients_.find(number);
  return found != clients_.end() && found->second->open();
}

size_t ModelServer::unanswered(size_t number) const {
  return connected(number) ? clients_.at(number)->unanswered() : 0;
}

void ModelServer::Accept(std::unique_ptr<ByteStream> stream) {
  lobbies_.push_back(std::make_unique<Lobby>(std::move(stream), *this));
}

void ModelServer::Stop(Crash crash) {
  disk_.StopNow();
  clients_.clear();
  roles_->End();
  lobbies_.clear();
  Broker& broker = harness_->broker;
  broker.KeepIn(nullptr);
  broker.UseCold(nullptr);
  harness_->keyspace.Clear();
  roles_.reset();
  saver_.reset();
  storage_.reset();
  harness_.reset();
  for (SteppedWorker* const worker :
       {&log_, &helper_, &snapshot_, &cold_writer_, &cold_reader_, &cold_syncer_, &reader_}) {
    *worker = {};
  }
  disk_.Restart(crash);
}

}  // namespace runnel::sim
