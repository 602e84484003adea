# The jobs of the Sidekiq test, and what a client does with them: sidekiq_jobs.rb ACTION.

require "sidekiq"
require "sidekiq/api"

# The two versions that Debian ships together are not of one age.
Redis.silence_deprecations = true

URL = "redis://127.0.0.1:#{ENV.fetch('PORT')}/0"

Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL }
  config.options[:poll_interval_average] = 0.2 unless ENV["USUAL_SETTINGS"] == "yes"
end

# Appends one line to the file of marks, in one write.
def mark(*words)
  File.open(ENV.fetch("MARKS"), "a") { |file| file.syswrite("#{words.join(' ')}\n") }
end

def marks
  File.readlines(ENV.fetch("MARKS"), chomp: true)
end

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

def eventually(what)
  deadline = now + ENV.fetch("PATIENCE").to_f
  until yield
    raise "this does not happen: #{what}" if now > deadline

    IO.select(nil, nil, nil, 0.01)
  end
end

def gate(name)
  path = File.join(ENV.fetch("GATES"), name)
  eventually("gate #{name} is open") { File.exist?(path) }
end

def check(condition, what)
  raise "expected: #{what}" unless condition
end

class Do
  include Sidekiq::Job

  def perform(number)
    mark("done", number)
  end
end

class Other
  include Sidekiq::Job
  sidekiq_options queue: "other"

  def perform(word, numbers)
    mark(word, numbers.sum)
  end
end

class Fail
  include Sidekiq::Job
  sidekiq_options retry: 2

  sidekiq_retries_exhausted { |job, _error| mark("exhausted", job["retry_count"]) }

  def perform(word)
    mark("attempt", word)
    raise "on purpose"
  end
end

# A job in the middle of which a test does something.
class Hold
  include Sidekiq::Job

  def perform(name)
    mark("began", name)
    gate(name)
    mark("ended", name)
  end
end

class Nothing
  include Sidekiq::Job

  def perform(word)
    mark(word) if word
  end
end

def run_jobs
  100.times { |number| Do.perform_async(number) }
  Sidekiq::Client.push_bulk("class" => Do, "args" => (100...200).map { |number| [number] })
  Other.perform_async("sum", [1, 2, 3])
  eventually("all jobs are done") do
    marks.count { |line| line.start_with?("done ") } == 200 && marks.include?("sum 6")
  end
  eventually("the statistics say so") { Sidekiq::Stats.new.processed == 201 }
  check(Sidekiq::Stats.new.failed.zero?, "no failure")
  check(Sidekiq::Queue.all.sum(&:size).zero?, "empty queues")
  check(Sidekiq::ProcessSet.new.size == 1, "one process")
end

def retries
  Fail.perform_async("again")
  # The delay before an attempt is at least some seconds: two of them are asked for by hand.
  2.times do |number|
    eventually("attempt #{number + 1} fails") do
      marks.count("attempt again") == number + 1 && Sidekiq::RetrySet.new.size == 1
    end
    job = Sidekiq::RetrySet.new.first
    check(job["error_message"] == "on purpose", "the error")
    check(job["retry_count"] == number, "#{number} retries")
    check(job.at.to_f > Time.now.to_f - 60, "a time to retry at")
    Sidekiq::RetrySet.new.each(&:add_to_queue)
  end
  eventually("the job is dead") { Sidekiq::DeadSet.new.size == 1 }
  check(marks.include?("exhausted 2"), "the last retry is told")
  check(Sidekiq::RetrySet.new.size.zero?, "nothing to retry")
  Sidekiq::DeadSet.new.clear
end

def scheduled
  Do.perform_in(0.3, "soon")
  late = Do.perform_in(3600, "late")
  Do.perform_at(Time.now.to_f + 0.4, "at")
  eventually("both are done") { %w[soon at].all? { |word| marks.include?("done #{word}") } }
  check(Sidekiq::ScheduledSet.new.map(&:jid) == [late], "one is left")
  check(Sidekiq::ScheduledSet.new.find_job(late).delete, "it can be deleted")
  check(Sidekiq::ScheduledSet.new.size.zero?, "none is left")
end

def send_hold
  Hold.perform_async(ARGV[1])
end

# Two jobs for a worker with one thread, of which the first holds it.
def send_hold_and_do
  Hold.perform_async(ARGV[1])
  Do.perform_async("behind")
end

# What is anywhere in Sidekiq's sets and queues.
def count
  puts [Sidekiq::Queue.all.sum(&:size), Sidekiq::RetrySet.new.size, Sidekiq::ScheduledSet.new.size,
        Sidekiq::DeadSet.new.size].sum
end

def produce
  number = 0
  until IO.select([$stdin], nil, nil, 0.005)
    begin
      mark("enqueued", number) if Do.perform_async(number)
    rescue Redis::BaseError => error
      puts "not acknowledged: #{number}: #{error}"
    end
    number += 1
  end
end

# What enqueue_to_measure of jobs.py does.
def speed
  { "warm" => ARGV[1], "measured" => ARGV[2] }.each do |name, count|
    gate(name)
    (count.to_i - 1).times { Nothing.perform_async(nil) }
    Nothing.perform_async("done #{name}")
  end
end

send(ARGV[0]) if $PROGRAM_NAME == __FILE__
