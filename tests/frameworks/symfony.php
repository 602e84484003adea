<?php
// The messages of the Symfony Messenger test, its worker and its client:
//   symfony.php messenger:consume jobs --sleep 0.05     the worker, as Symfony's own command
//   symfony.php ACTION                                  the function client_ACTION
// CONSUMER in the environment names the consumer of the worker.

require 'Symfony/Component/Messenger/autoload.php';
require 'Symfony/Component/EventDispatcher/autoload.php';
require 'Symfony/Component/Console/autoload.php';

use Psr\Container\ContainerInterface;
use Symfony\Component\Console\Application;
use Symfony\Component\Console\Logger\ConsoleLogger;
use Symfony\Component\Console\Output\ConsoleOutput;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Messenger\Bridge\Redis\Transport\RedisTransportFactory;
use Symfony\Component\Messenger\Command\ConsumeMessagesCommand;
use Symfony\Component\Messenger\EventListener\SendFailedMessageForRetryListener;
use Symfony\Component\Messenger\EventListener\SendFailedMessageToFailureTransportListener;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Middleware\SendMessageMiddleware;
use Symfony\Component\Messenger\Retry\MultiplierRetryStrategy;
use Symfony\Component\Messenger\RoutableMessageBus;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Transport\Sender\SendersLocator;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;

abstract class Message
{
    public $word;

    public function __construct(string $word)
    {
        $this->word = $word;
    }
}

class Work extends Message
{
}

class Fail extends Message
{
}

class Hold extends Message
{
}

/** Objects by their names. */
class Shelf implements ContainerInterface
{
    private $objects;

    public function __construct(array $objects)
    {
        $this->objects = $objects;
    }

    public function get(string $id)
    {
        return $this->objects[$id];
    }

    public function has(string $id): bool
    {
        return isset($this->objects[$id]);
    }
}

/** Appends one line to the file of marks, in one write. */
function mark(string ...$words)
{
    file_put_contents(getenv('MARKS'), implode(' ', $words)."\n", FILE_APPEND);
}

function marks(): array
{
    return file(getenv('MARKS'), FILE_IGNORE_NEW_LINES);
}

function eventually(callable $condition, string $what)
{
    $end = microtime(true) + (float) getenv('PATIENCE');
    while (!$condition()) {
        if (microtime(true) > $end) {
            throw new RuntimeException("this does not happen: $what");
        }
        clearstatcache();
        time_nanosleep(0, 10000000);
    }
}

function check(bool $condition, string $what)
{
    if (!$condition) {
        throw new RuntimeException("expected: $what");
    }
}

function handle(Work $message)
{
    if (getenv('SLOW')) {
        time_nanosleep(0, 30000000);
    }
    mark('done', $message->word);
}

function fail(Fail $message)
{
    mark('attempt', $message->word);
    throw new RuntimeException('on purpose');
}

function hold(Hold $message)
{
    mark('began', $message->word, getenv('CONSUMER'));
    $gate = getenv('GATES').'/'.$message->word;
    eventually(function () use ($gate) { return file_exists($gate); }, "gate $gate is open");
    mark('ended', $message->word);
}

function transport(string $stream, bool $keep)
{
    return (new RedisTransportFactory())->createTransport(
        'redis://127.0.0.1:'.getenv('PORT'),
        [
            'stream' => $stream, 'group' => 'workers', 'consumer' => getenv('CONSUMER') ?: 'client',
            'delete_after_ack' => !$keep, 'redeliver_timeout' => 1, 'claim_interval' => 100,
        ],
        new PhpSerializer()
    );
}

function bus(array $transports): MessageBus
{
    return new MessageBus([
        new SendMessageMiddleware(new SendersLocator(['*' => ['jobs']], new Shelf($transports))),
        new HandleMessageMiddleware(new HandlersLocator([
            Work::class => ['handle'], Fail::class => ['fail'], Hold::class => ['hold'],
        ])),
    ]);
}

function consume(array $transports)
{
    $logger = new ConsoleLogger(new ConsoleOutput(ConsoleOutput::VERBOSITY_VERY_VERBOSE));
    $events = new EventDispatcher();
    $retries = new Shelf(['jobs' => new MultiplierRetryStrategy(2, 100, 1)]);
    $events->addSubscriber(
        new SendFailedMessageForRetryListener(new Shelf($transports), $retries, $logger, $events));
    $events->addSubscriber(new SendFailedMessageToFailureTransportListener(
        new Shelf(['jobs' => $transports['failed']]), $logger));
    $buses = new RoutableMessageBus(new Shelf([]), bus($transports));
    $application = new Application();
    $application->add(new ConsumeMessagesCommand($buses, new Shelf($transports), $events, $logger));
    $application->run();
}

function client_run($bus)
{
    for ($number = 0; $number < 50; ++$number) {
        $bus->dispatch(new Work("$number"));
    }
    $bus->dispatch(new Work('late'), [new DelayStamp(300)]);
    eventually(function () {
        return 51 === count(preg_grep('/^done /', marks()));
    }, 'all messages are handled');
    $order = array_values(preg_grep('/^done \d/', marks()));
    for ($number = 0; $number < 50; ++$number) {
        check("done $number" === $order[$number], "message $number in its place");
    }
    check(in_array('done late', marks()), 'the delayed message');
}

function client_retry($bus, $transports)
{
    $bus->dispatch(new Fail('again'));
    $envelopes = [];
    eventually(function () use ($transports, &$envelopes) {
        $envelopes = $transports['failed']->get();

        return [] !== $envelopes;
    }, 'the message is in the failure transport');
    check(3 === count(preg_grep('/^attempt again$/', marks())), 'three attempts');
    check('again' === $envelopes[0]->getMessage()->word, 'the message that failed');
    $transports['failed']->ack($envelopes[0]);
}

function client_hold($bus)
{
    $bus->dispatch(new Hold('middle'));
}

function client_produce($bus)
{
    stream_set_blocking(STDIN, false);
    for ($number = 0; true; ++$number) {
        $read = [STDIN];
        $none = null;
        if (stream_select($read, $none, $none, 0, 5000)) {
            return;
        }
        try {
            // A transport does not get over a lost connection.
            $bus = $bus ?? bus(['jobs' => transport('jobs', false)]);
            $bus->dispatch(new Work("$number"));
            mark('enqueued', "$number");
        } catch (Exception $error) {
            echo "not acknowledged: $number: {$error->getMessage()}\n";
            $bus = null;
        }
    }
}

// A lost connection is told by notices, too.
error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED & ~E_NOTICE & ~E_WARNING);
$transports = ['jobs' => transport('jobs', false), 'failed' => transport('failed', true)];
$action = 'client_'.$argv[1];
if (function_exists($action)) {
    $action(bus($transports), $transports);
} else {
    consume($transports);
}
