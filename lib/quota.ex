defmodule Quota do
  @moduledoc """
  One memory limit for one piece of work: its heap, the binaries it holds and the native memory
  allocated for it.

      iex> Quota.run(Quota.mib(64), fn -> Enum.sum(1..1_000) end)
      500500

  Work that goes over its limit is stopped and `Quota.ExceededError` is raised where `run/3` was
  called; the VM and every other process go on.

      iex> try do
      ...>   Quota.run(Quota.mib(4), fn -> Enum.to_list(1..1_000_000) end)
      ...> rescue
      ...>   error in Quota.ExceededError -> {error.category, error.limit}
      ...> end
      {:heap, 4_194_304}

  ## What changes inside `Quota.run`

  The work runs in a process of its own, so:

    * `self()` is another process: what was registered, linked or subscribed for the caller is not for it.
    * `receive` sees the work's own mailbox; what is sent to the caller waits there.
    * A task started outside cannot be awaited inside: only its owner may. Start it inside.
    * Sockets, ports and files opened by the caller belong to the caller: a passive socket can be read,
      an active one sends to the caller; a raw file or a zlib stream works for its owner only. A private
      ETS table of the caller cannot be read.
    * A transaction of the caller (`Repo.transaction`) is not joined: the work checks out a connection of
      its own. Begin it inside.
    * On a breach no `after`, `rescue` or `catch` of the work runs: the process is killed. What must be
      tidied up belongs to the caller, or to a process that monitors the work.
    * A lazy stream that is returned does its work later, in the caller and outside the limit. Return what
      it yields.
    * What `fun` captures is copied in, and counts; what it returns is copied out, and must fit in the limit
      as it is copied, when terms that were shared inside are so no more.
    * `$callers`, `$ancestors` and Logger metadata are those of the caller (so that Ecto's sandbox, Mox and
      logs work); further keys of the process dictionary are copied with `:inherit`.

  A quota inside a quota gets at most what the outer one has left, less 64 KiB, and what it uses counts in
  the outer one.
  """

  alias Quota.Run

  @type limit :: pos_integer

  @type option ::
          {:label, term}
          | {:timeout, timeout}
          | {:inherit, [term]}
          | {:pool, atom}
          | {:pool_timeout, timeout}

  @doc """
  Runs `fun` in a process of its own with at most `limit` bytes of memory, and returns what it returns.

  `limit` is an integer of at least 64 KiB; `kib/1`, `mib/1` and `gib/1` help.

  Errors, throws and exits of `fun` reach the caller as themselves, with their stack trace. If the
  process dies of anything but a breach, the caller exits with
  `{reason, {Quota, :run, [limit, fun, opts]}}`, as with `Task.await/2`. If the caller dies, so does
  the work.

  ## Options

    * `:label` - what the run is called in errors: any term
    * `:timeout` - milliseconds, or `:infinity`, the default
    * `:inherit` - further keys of the caller's process dictionary to copy, such as those of
      OpenTelemetry, Gettext or a dynamic repo. `$callers`, `$ancestors` and Logger metadata always are
    * `:pool` - the name of a `Quota.Pool` that must have the memory before the work begins
    * `:pool_timeout` - milliseconds to wait for the pool to have it, or `:infinity`; 0 by default

  ## Raises

    * `Quota.ExceededError` - the work needed more than `limit`
    * `Quota.TimeoutError` - the work took longer than `:timeout`
    * `Quota.PoolFullError` - the pool has no room, and had none within `:pool_timeout`; nothing was started
    * `ArgumentError` - a limit, function or option that makes no sense

  ## Examples

      iex> Quota.run(Quota.mib(8), fn -> String.upcase("bounded") end, label: "upcase", timeout: 5_000)
      "BOUNDED"

      iex> Quota.run(Quota.mib(8), fn -> raise ArgumentError, "no such field" end)
      ** (ArgumentError) no such field
  """
  @spec run(limit, (() -> result), [option]) :: result when result: var
  def run(limit, fun, opts \\ []), do: Run.run(limit, fun, opts)

  @doc """
  Like `run/3`, but returns `{:ok, result}`, or `{:error, error}` with a `Quota.ExceededError`, `Quota.PoolFullError` or
  `Quota.TimeoutError`. Whatever else `fun` raises is raised.

      iex> Quota.try_run(Quota.mib(8), fn -> :done end)
      {:ok, :done}

      iex> {:error, error} = Quota.try_run(Quota.mib(4), fn -> Enum.to_list(1..1_000_000) end)
      iex> error.category
      :heap
  """
  @spec try_run(limit, (() -> result), [option]) ::
          {:ok, result}
          | {:error, Quota.ExceededError.t() | Quota.PoolFullError.t() | Quota.TimeoutError.t()}
        when result: var
  def try_run(limit, fun, opts \\ []) do
    {:ok, run(limit, fun, opts)}
  rescue
    error in [Quota.ExceededError, Quota.PoolFullError, Quota.TimeoutError] -> {:error, error}
  end

  @doc """
  Bytes of so many kibibytes.

      iex> Quota.kib(64)
      65536
  """
  @spec kib(non_neg_integer) :: non_neg_integer
  def kib(count) when is_integer(count) and count >= 0, do: count * 1024

  @doc """
  Bytes of so many mebibytes.

      iex> Quota.mib(64)
      67108864
  """
  @spec mib(non_neg_integer) :: non_neg_integer
  def mib(count) when is_integer(count) and count >= 0, do: count * 1024 * 1024

  @doc """
  Bytes of so many gibibytes.

      iex> Quota.gib(1)
      1073741824
  """
  @spec gib(non_neg_integer) :: non_neg_integer
  def gib(count) when is_integer(count) and count >= 0, do: count * 1024 * 1024 * 1024
end
