defmodule Quota.Watchdog do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Acts before the kernel does: when the node's memory is almost used up, it ends the process that grew, so that the kernel does not end the
  node.

      children = [
        {Quota.Watchdog, kill_at: 0.9, mode: :enforce, protect: [MyApp.Repo]}
      ]

  A quota bounds the work inside it. The watchdog covers all other code of the node, without a change to that code. It never starts
  by itself, and without `mode: :enforce` it ends nothing. A node has at most one.

  The [guide](watchdog.md) has the measurements, and lists what the watchdog cannot do.

  ## What it watches

  The figures by which the kernel decides: usage and limit of the control group with the smallest limit up the tree (versions 1 and
  2, and `memory.high`), without file cache that the kernel drops. Without a limited group, the machine's memory. It reads the usage every
  2 to 500 milliseconds: more often, the less memory is left and the faster memory has grown before. Memory that is about to be
  taken counts as well: the copy that the next garbage collection of a growing heap makes, and files that are being read.

  ## What it does

  When the usage and the memory about to be taken pass the line (`:kill_at`):

    1. **It collects garbage**, if the limit is at least 300 milliseconds away at the present growth: of idle processes that grew, if
       the copy fits into half of the memory left.
    2. **It ends what grew most** since the node was last calm: a process with its mailbox and its ETS tables, including the binaries in
       these; a group of processes that have one parent or one initial call, the youngest first, and their parent if the group
       grows again; the user of a port program; the process that writes persistent terms. A process over a quota of its own comes first.
    3. **It writes a report**: see below.
    4. **It waits** for the memory to come back before it ends anything else.

  It never ends a process that grew by less than a 48th of the limit or a sixth of the node's growth, processes of the applications
  `:kernel` and `:stdlib`, supervisors, what `:protect` names, or itself. It ends a logger only if nothing else grew by more than half as
  much, and no more children of a supervisor than its restart intensity allows. The exit reason is `:killed`.

  Work of `Quota.run/3` and `Quota.try_run/3` that it ends is a breach if it was over its limit: `Quota.ExceededError`. If it was within
  its limit, the caller exits with `{:killed, {Quota, :run, _}}`. Of a process with `Quota.put_limit/2`, a breach is reported in the first
  case only.

  ## Options

    * `:kill_at` - the line: a fraction of the limit, a float above 0.0 and below 1.0, or the bytes that must stay free, an integer above
      0. Default 0.9
    * `:mode` - `:observe` (the default) reports once what it would have ended, and ends nothing; `:enforce` ends it
    * `:protect` - processes that are never ended: registered names, pids, `{:ancestor, name_or_pid}` for all processes below one, and
      `{module, function, arity}` for an initial call. Default `[]`
    * `:handle` - a function that may choose another culprit. It is called with a map of `:culprit`, `:others` and `:figures` (bytes), and
      returns `:end`, `:refuse`, or `{:end, pid}` for one of the others. It runs in a process of its own, with 50 milliseconds and
      16 MiB of heap. If it is late, needs more, raises or returns anything else, the culprit ends, and a warning is logged. Default nil
    * `:per_minute` - maximum number of times that it ends something within a minute, an integer above 0. Default 20. When that number is
      reached, it reports so, and ends nothing until a minute has passed since the first of them

  ## Reports

  When something ends, and once when 95 % of the limit are in use, one report of less than 64 KiB is logged and sent as the event
  `[:bounded, :watchdog, :report]`: the figures, the culprit with its initial call, ancestors, label, stack, mailbox (length and bytes,
  never the messages) and growth, what else grew, and the last findings of `Bounded.Doctor` with their age.
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
  What the watchdog did last, `age_ms` milliseconds ago: the `:outcome` of its report, `:collected` (it collected garbage), or `:paused`
  (`:per_minute` was reached). `kind` and `pid` describe the culprit. `pid` is nil for a group of processes; both are nil without a culprit.
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

  @typedoc """
  What `status/0` returns: bytes, and `growth` in bytes per second. `grew` is empty until the first look at all processes has ended. Its maps
  have `kind`, `grown`, `copy` and `bytes` (bytes), and `pid`, or the `key` of a group.
  """
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
  `growth` in bytes a second, the number of ends within the last minute (`ended`), its `last` act, and what `grew` since
  the node was last calm, worst first.

  Exits if no watchdog runs.
  """
  @spec status() :: status
  def status, do: GenServer.call(__MODULE__, :status)

  @doc """
  Limits all processes that match, those that run and those that appear later, to `bytes` each, from 64 KiB to 512 PiB. `:infinity` takes
  the limit back for processes that appear later. Once the function has returned, no process gets a limit that was replaced or taken
  back; processes that have it keep it.

    * a registered name
    * `{:ancestor, name_or_pid}`: processes that this process or its descendants have started (`$ancestors`)
    * `{module, function, arity}`: an initial call, also of what `:proc_lib` has started, such as `{MyApp.Worker, :init, 1}`

  A process that has no limit of its own is limited within a second after it has appeared; on a node of more than 6,000 processes later,
  within 15 seconds at 100,000. A breach ends the process, in either mode of the watchdog, and is reported as that of a
  `Quota.put_limit/2` is, with the matcher as its label.

  `max_heap_size` cannot be set on another process, so only a guard enforces this limit: a single call that does not yield is not
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
