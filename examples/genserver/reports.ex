defmodule Examples.GenServer.Reports do
  @moduledoc """
  A server that computes what clients ask for: each call runs in a limit of its own, so that the server lives on.

  What a call needs is copied to the work and its result back: hand over the rows in question rather than the state.
  """

  use GenServer

  @limit Quota.mib(8)

  def start_link(rows), do: GenServer.start_link(__MODULE__, rows)

  @doc "`{:ok, report}`, or `{:error, error}` with the reason, such as `Quota.ExceededError`."
  def report(server, times), do: GenServer.call(server, {:report, times})

  @impl true
  def init(rows), do: {:ok, rows}

  @impl true
  def handle_call({:report, times}, _from, rows) do
    work = fn -> rows |> List.duplicate(times) |> List.flatten() |> length() end
    {:reply, Quota.try_run(@limit, work, label: "report", timeout: 4_000), rows}
  end
end

defmodule Examples.GenServer.Cache do
  @moduledoc """
  A server that keeps things, with a limit on itself. What goes over it ends this process and no other, so its supervisor starts it
  empty; callers see an exit, as with any crash.

  A server that was busy keeps a large heap. It hibernates when nothing came for a while, which gives that back.
  """

  use GenServer

  @limit Quota.mib(8)
  @quiet 50

  def start_link(options), do: GenServer.start_link(__MODULE__, options, options)

  def put(server, key, value), do: GenServer.call(server, {:put, key, value})
  def get(server, key), do: GenServer.call(server, {:get, key})

  @impl true
  def init(_options) do
    # The soft limit asks for a collection before the limit is reached.
    :ok = Quota.put_limit(@limit, label: "cache", soft_limit: div(@limit, 2))
    {:ok, %{}, @quiet}
  end

  @impl true
  def handle_call({:put, key, value}, _from, cache),
    do: {:reply, :ok, Map.put(cache, key, value), @quiet}

  def handle_call({:get, key}, _from, cache), do: {:reply, Map.get(cache, key), cache, @quiet}

  @impl true
  def handle_info(:timeout, cache), do: {:noreply, cache, :hibernate}
end
