defmodule Quota.Watchdog do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Acts before the kernel does: when the node's memory is almost used up, it ends what grew, instead of the kernel ending the node.

      children = [
        {Quota.Watchdog, kill_at: 0.9, mode: :enforce, protect: [MyApp.Repo]}
      ]

  A quota bounds the work that it is put around. The watchdog is for all other code, which it does not have to be put around. It
  never starts by itself, and without `mode: :enforce` it only reports. There is one on a node.

  The [guide](watchdog.md) has what was measured, and what the watchdog cannot do.

  ## What it watches

  The figures by which the kernel decides: usage and limit of the control group with the smallest limit up the tree (versions 1 and
  2, and `memory.high`), without file cache that the kernel drops, or the machine's memory without a group. It reads them each few
  milliseconds to each half of a second, by the headroom and by the fastest growth that it has seen. What is about to be taken
  counts as taken: the copy that the next garbage collection of a growing heap makes, and files that are being read.

  ## What it does

  When that sum passes the line (`:kill_at`):

    1. **It collects garbage**, where there is time: of idle processes that grew, and whose copy fits into what is left.
    2. **It writes a report**: see below.
    3. **It ends what grew most** since the node was last calm: a process with its mailbox and its ETS tables, including the binaries in
       these; a group of processes that have one parent or one initial call, the youngest first, and their parent if the group
       grows again; the process that writes persistent terms. A process over a quota of its own comes first.
    4. **It waits** for the memory to come back before it ends anything else.

  It never ends something that grew little, processes of the applications `:kernel` and `:stdlib`, supervisors, what
  `:protect` names, or itself; a logger only if nothing else grew as much; and no more children of a supervisor than its restart
  intensity allows. The exit reason is `:killed`.

  Work of `Quota.run/3` and `Quota.try_run/3` that it ends is a breach if it was over its limit: `Quota.ExceededError`. If it was within
  its limit, the caller exits with `{:killed, {Quota, :run, _}}`. A process with `Quota.put_limit/2` reports a breach in the first case
  alone.

  ## Options

    * `:kill_at` - the line: a fraction of the limit, such as `0.9`, or the bytes that shall be left, an integer. Default 0.9
    * `:mode` - `:observe` (the default) reports what it would have ended, once, and ends nothing; `:enforce` ends
    * `:protect` - what is never ended: registered names, pids, `{:ancestor, name_or_pid}` for all processes below one, and
      `{module, function, arity}` for an initial call. Default `[]`
    * `:handle` - a function that may choose: it is given a map with `:culprit`, `:others` and `:figures`, and returns `:end`, `:refuse`,
      or `{:end, pid}` for one of the others, which may all end. It runs in a process of its own, with 50 milliseconds and 16 MiB of heap.
      If it is late, needs more, raises or returns anything else, the culprit ends, and a warning is logged
    * `:per_minute` - how often it acts within a minute at most, default 20. Then it says so and ends nothing until that is over

  ## Reports

  Before anything ends, and from 95 % of the limit on in any case, one report of less than 64 KiB is logged and sent as the event
  `[:bounded, :watchdog, :report]`: the figures, the culprit with its initial call, ancestors, label, stack, mailbox (length and bytes,
  never the messages) and growth, what else grew, and the findings of `Bounded.Doctor` of the last ten minutes.
  `Quota.Telemetry` lists the other events.

  ## Limits for other people's code

  `limit/2` limits processes by name, ancestor or initial call, as they appear.
  """

  alias Quota.Watchdog.{Limits, Options, Server}

  @typedoc "Processes: by registered name, by ancestor, or by initial call."
  @type matcher :: atom | {:ancestor, atom | pid} | mfa

  @typedoc "An option of `start_link/1`."
  @type option ::
          {:kill_at, float | pos_integer}
          | {:mode, :observe | :enforce}
          | {:protect, [atom | pid | {:ancestor, atom | pid} | mfa]}
          | {:handle, (map -> :end | :refuse | {:end, pid}) | nil}
          | {:per_minute, pos_integer}

  @typedoc """
  What the watchdog did last, `age_ms` milliseconds ago: the `:outcome` of its report, `:collected`, or `:paused`. `kind` and `pid` are of
  what it was done to, nil where that is no single process.
  """
  @type act :: %{
          outcome:
            :ended
            | :observed
            | :refused
            | :nothing_to_end
            | :critical
            | :collected
            | :paused,
          kind: atom,
          pid: pid | nil,
          age_ms: non_neg_integer
        }

  @typedoc "What `status/0` returns: bytes, and `growth` in bytes per second."
  @type status :: %{
          mode: :observe | :enforce,
          source: :cgroup_v1 | :cgroup_v2 | :machine,
          limit: non_neg_integer,
          line: non_neg_integer,
          used: non_neg_integer,
          growth: non_neg_integer,
          ended: non_neg_integer,
          last: act | nil,
          grew: [map]
        }

  @doc """
  Returns the child specification.

      iex> Quota.Watchdog.child_spec(mode: :enforce).start
      {Quota.Watchdog, :start_link, [[mode: :enforce]]}
  """
  @spec child_spec([option]) :: Supervisor.child_spec()
  def child_spec(options), do: %{id: __MODULE__, start: {__MODULE__, :start_link, [options]}}

  @doc """
  Starts the watchdog of this node.

  Returns `{:error, {error, []}}` with an `ArgumentError` on a system that reports neither a control group's memory nor the machine's
  (`/proc/meminfo`), and `{:error, {:already_started, pid}}` where one runs. Raises `ArgumentError` for invalid options.
  """
  @spec start_link([option]) :: GenServer.on_start()
  def start_link(options \\ []),
    do: options |> Options.validate!() |> Server.start_link(__MODULE__)

  @doc """
  Returns what the watchdog sees: its `mode`, the `source` and the `limit`, the `line`, bytes in use without file cache (`used`),
  `growth` in bytes a second, how often it has acted within a minute (`ended`), its `last` act, and what `grew` since the node was last
  calm, worst first.

  Exits if no watchdog runs.
  """
  @spec status() :: status
  def status, do: GenServer.call(__MODULE__, :status)

  @doc """
  Limits all processes that match, those that run and those that appear later, to `bytes` each. `:infinity` limits no more
  processes. Once the function has returned, no process gets a limit that was replaced or taken back; those that have it keep it.

    * a registered name
    * `{:ancestor, name_or_pid}`: processes that this one has started, or that processes below it have (`$ancestors`)
    * `{module, function, arity}`: an initial call, also of what `:proc_lib` has started, such as `{MyApp.Worker, :init, 1}`

  A process is limited within a second after it has appeared, and unless it has a limit of its own. A breach ends the
  process, in either mode of the watchdog, and is reported as `Quota.put_limit/2` does, with the matcher as its label.

  No flag can be set on another process, so this is the guard's half of a limit: a single call that does not yield is not
  interrupted. The [guide](watchdog.md#limits-for-code-of-others) has the overshoot that was measured.

  Exits if no watchdog runs. Raises `ArgumentError` for another matcher or limit.
  """
  @spec limit(matcher, pos_integer | :infinity) :: :ok
  def limit(matcher, bytes) do
    matcher = Limits.matcher!(matcher)

    unless bytes == :infinity do
      Quota.Options.validate!(bytes, [])
      Quota.Preload.ensure()
    end

    GenServer.call(__MODULE__, {:limit, matcher, bytes})
  end
end
