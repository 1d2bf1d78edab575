package bench;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.task.SchedulableInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * db-scheduler as two processes, {@code client} and {@code worker}, on the link of the bench (test/bench/worker/serve.ts): a line on
 * standard input is a request, a line of JSON on standard output its answer (support/programs.ts leads it there).
 */
public final class Main {
  private static final int SLICE = 1_000;
  private static final int CLIENT_THREADS = 16;
  private static final long DAY_MS = 86_400_000;

  /** As db-scheduler's wiki has it for PostgreSQL, with the index that its lock-and-fetch wants. */
  private static final String TABLE =
      """
      CREATE TABLE IF NOT EXISTS scheduled_tasks (
        task_name text NOT NULL, task_instance text NOT NULL, task_data bytea, execution_time timestamptz NOT NULL,
        picked boolean NOT NULL, picked_by text, last_success timestamptz, last_failure timestamptz,
        consecutive_failures int, last_heartbeat timestamptz, version bigint NOT NULL, priority smallint,
        PRIMARY KEY (task_name, task_instance));
      CREATE INDEX IF NOT EXISTS execution_time_idx ON scheduled_tasks (execution_time);
      CREATE INDEX IF NOT EXISTS last_heartbeat_idx ON scheduled_tasks (last_heartbeat);
      """;

  private final Recorder recorder = new Recorder();
  private final OneTimeTask<Long> task =
      Tasks.oneTime("noop", Long.class).execute((instance, context) -> recorder.started(instance.getData()));
  private HikariDataSource database;
  private SchedulerClient client;

  public static void main(String[] arguments) throws Exception {
    boolean worker = arguments[0].equals("worker");
    var answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    var requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var main = new Main();
    for (String line; (line = requests.readLine()) != null; ) {
      answers.println(main.answer(worker, line.split(" ")));
      answers.flush();
    }
    System.exit(0);
  }

  private String answer(boolean worker, String[] words) {
    try {
      return "{\"value\":" + (worker ? work(words) : schedule(words)) + "}";
    } catch (Exception error) {
      error.printStackTrace();
      return "{\"error\":\"" + error.toString().replaceAll("[\"\\\\\\p{Cntrl}]", " ") + "\"}";
    }
  }

  private String work(String[] words) throws Exception {
    return switch (words[0]) {
      case "open" -> {
        connect(Integer.getInteger("bench.threads") + 5);
        startScheduler();
        yield "null";
      }
      case "until" -> String.valueOf(recorder.until(Integer.parseInt(words[1]), Long.parseLong(words[2])));
      case "lateness" -> recorder.take();
      default -> throw new IllegalArgumentException(words[0]);
    };
  }

  private String schedule(String[] words) throws Exception {
    return switch (words[0]) {
      case "open" -> {
        connect(CLIENT_THREADS);
        try (var connection = database.getConnection(); var statement = connection.createStatement()) {
          statement.execute(TABLE);
        }
        client = SchedulerClient.Builder.create(database, task).build();
        yield "null";
      }
      case "enqueue" -> {
        enqueue(Integer.parseInt(words[1]), Long.parseLong(words[2]), words[3].equals("-") ? 0 : Long.parseLong(words[3]));
        yield "null";
      }
      case "accept" -> accept(Integer.parseInt(words[1]), Integer.parseInt(words[2]));
      case "unfinished" -> String.valueOf(unfinished());
      default -> throw new IllegalArgumentException(words[0]);
    };
  }

  private void connect(int connections) {
    var config = new HikariConfig();
    config.setJdbcUrl(System.getenv("BENCH_JDBC_URL"));
    config.setUsername(System.getenv("BENCH_DB_USER"));
    config.setPassword(System.getenv("BENCH_DB_PASSWORD"));
    config.setMaximumPoolSize(connections);
    database = new HikariDataSource(config);
  }

  private void startScheduler() {
    var builder =
        Scheduler.create(database, task)
            .threads(Integer.getInteger("bench.threads"))
            .pollingInterval(Duration.ofMillis(Long.getLong("bench.poll.ms")));
    if (Boolean.getBoolean("bench.lock.and.fetch")) builder.pollUsingLockAndFetch(1.0, 4.0);
    builder.build().start();
  }

  private void enqueue(int count, long firstAt, long perSecond) {
    for (int from = 0; from < count; from += SLICE) {
      Stream<SchedulableInstance<?>> slice =
          LongStream.range(from, Math.min(count, from + SLICE))
              .mapToObj(index -> instance(perSecond == 0 ? firstAt : firstAt + index * 1_000 / perSecond));
      client.scheduleBatch(slice);
    }
  }

  /** Every call begins at its time; how long it took counts from then, so that waiting for a thread is not hidden. */
  private String accept(int count, int perSecond) throws Exception {
    long tomorrow = System.currentTimeMillis() + DAY_MS;
    ExecutorService threads = Executors.newFixedThreadPool(CLIENT_THREADS);
    long begin = System.nanoTime();
    List<Future<Double>> calls = new ArrayList<>();
    for (int index = 0; index < count; index++) {
      long at = begin + index * 1_000_000_000L / perSecond;
      while (System.nanoTime() < at) Thread.sleep(0, 200_000);
      calls.add(
          threads.submit(
              () -> {
                client.schedule(instance(tomorrow));
                return (System.nanoTime() - at) / 1e6;
              }));
    }
    List<String> took = new ArrayList<>();
    for (var call : calls) took.add(String.valueOf(call.get()));
    threads.shutdown();
    return took.stream().collect(Collectors.joining(",", "[", "]"));
  }

  private SchedulableInstance<Long> instance(long dueAt) {
    return task.instanceBuilder(UUID.randomUUID().toString()).data(dueAt).scheduledTo(Instant.ofEpochMilli(dueAt));
  }

  private int unfinished() throws Exception {
    try (Connection connection = database.getConnection();
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT count(*) FROM scheduled_tasks")) {
      rows.next();
      return rows.getInt(1);
    }
  }

  /** Start minus due of every job, as the recorder of the other workers. */
  private static final class Recorder {
    private int[] lateMs = new int[1 << 16];
    private int size;
    private int total;

    synchronized void started(long dueAt) {
      if (size == lateMs.length) lateMs = Arrays.copyOf(lateMs, 2 * size);
      lateMs[size++] = (int) (System.currentTimeMillis() - dueAt);
      total++;
      notifyAll();
    }

    synchronized int until(int count, long timeoutMs) throws InterruptedException {
      long deadline = System.currentTimeMillis() + timeoutMs;
      while (total < count && System.currentTimeMillis() < deadline) wait(Math.max(1, deadline - System.currentTimeMillis()));
      return total;
    }

    synchronized String take() {
      var text = Arrays.stream(lateMs, 0, size).mapToObj(String::valueOf).collect(Collectors.joining(",", "[", "]"));
      size = 0;
      return text;
    }
  }
}
