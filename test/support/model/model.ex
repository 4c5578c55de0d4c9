defmodule Bounded.Test.Model do
  @moduledoc false
  # A state machine over the public API, for PropEr: what runs, nested runs, limits put and taken off, attached processes, pools, kills
  # and parsers of several processes leave charged, to whom.
  #
  # The model is a stack of frames for each actor, the innermost first. A binary or parser is charged to the accounts around the process
  # that made it, for as long as a process holds it, even when those accounts are closed.

  import Bounded.Eventually
  import ExUnit.Assertions

  alias Bounded.Test.Model.Actor
  alias BoundedXml.Parser

  @mib 1024 * 1024
  # By depth: a limit that was put, a run, a run in a run.
  @limits {64 * @mib, 16 * @mib, 8 * @mib}
  @actors [1, 2]
  @most_binaries 3
  @feeds 3
  @text String.duplicate("<an-element with='an attribute'>", 40)

  defmodule Frame do
    @moduledoc false
    # `account` is nil without a limit. `helpers` are attached processes, by number.
    defstruct [:account, :limit, :pool?, counts?: false, binaries: %{}, parsers: %{}, helpers: []]
  end

  ## What PropEr calls

  def initial_state do
    %{actors: Map.new(@actors, &{&1, [%Frame{}]}), next: 1, closed_in_pool: MapSet.new()}
  end

  def command(state) do
    calls = for actor <- @actors, request <- requests(state, actor), do: call(actor, request)
    # Not a dependency: by name.
    apply(:proper_types, :oneof, [calls])
  end

  defp call(actor, request), do: {:call, __MODULE__, :perform, [actor, request]}

  def precondition(state, {:call, _, :perform, [actor, request]}),
    do: Enum.any?(requests(state, actor), &same_kind?(&1, request))

  # Shrinking takes commands away, and numbers are given anew.
  defp same_kind?(request, request), do: true
  defp same_kind?({:copy, _, _}, {:copy, _, _}), do: true
  defp same_kind?({:parser, _}, {:parser, _}), do: true
  defp same_kind?({:attach, _}, {:attach, _}), do: true
  defp same_kind?(_, _), do: false

  # What can be asked of an actor now.
  defp requests(state, actor) do
    stack = [frame | outer] = state.actors[actor]
    depth = length(stack)

    [:kill_all] ++
      if(map_size(frame.binaries) < @most_binaries, do: [{:copy, state.next, 600_000}], else: []) ++
      if(frame.account, do: [:too_much], else: []) ++
      for({number, _} <- frame.binaries, do: {:drop, number}) ++
      enter(frame, depth) ++
      if(outer != [],
        do: Enum.map([:with_all, :with_nothing, :raise, :kill], &{:leave, &1}),
        else: put(frame)
      ) ++
      if(frame.counts?, do: [{:attach, state.next}], else: []) ++
      if(map_size(frame.parsers) < 2, do: [{:parser, state.next}], else: []) ++
      feeds(state)
  end

  defp enter(frame, depth) when depth <= 2 do
    level = if frame.account == nil, do: 1, else: min(depth, 2)
    for options <- [[], [:pool], [:children]], do: {:enter, elem(@limits, level), options}
  end

  defp enter(_frame, _depth), do: []

  defp put(%{account: nil}), do: for(options <- [[], [:pool]], do: {:put_limit, options})
  defp put(frame), do: [:delete_limit | put(%{frame | account: nil})]

  # Any process may feed or finish a parser of any other.
  defp feeds(state) do
    for {owner, stack} <- state.actors,
        frame <- stack,
        {number, parser} <- frame.parsers,
        request <- [:feed, :finish],
        (request == :feed and parser.fed < @feeds) or (request == :finish and parser.fed > 0),
        do: {request, owner, number}
  end

  def next_state(state, _result, {:call, _, :perform, [actor, request]}),
    do: next(request, actor, state)

  def postcondition(state, {:call, _, :perform, [actor, request]}, result) do
    assert {request, result} == {request, expected(request, state, actor)}
    expected = expected_figures(next(request, actor, state))
    eventually(fn -> assert figures() == expected end, 10_000)
    true
  rescue
    # PropEr of Debian cannot handle an exception on today's OTP.
    error ->
      IO.puts(Exception.format(:error, error, __STACKTRACE__))
      false
  end

  ## The model

  defp next({:copy, number, size}, actor, state),
    do:
      state |> numbered() |> top(actor, &put_in(&1.binaries[number], charged(state, actor, size)))

  defp next({:drop, number}, actor, state),
    do: top(state, actor, &%{&1 | binaries: Map.delete(&1.binaries, number)})

  defp next({:enter, limit, options}, actor, state) do
    frame = %Frame{
      account: {:account, state.next},
      limit: limit,
      # A run within one that the pool admitted reserves nothing more.
      pool?: :pool in options and not Enum.any?(state.actors[actor], & &1.pool?),
      counts?: :children in options
    }

    state |> numbered() |> push(actor, frame)
  end

  defp next({:leave, how}, actor, state) do
    [frame, outer | rest] = state.actors[actor]
    returned = if how == :with_all, do: frame.binaries, else: %{}
    outer = %{outer | binaries: Map.merge(outer.binaries, returned)}
    state |> closed(frame) |> put_in([:actors, actor], [outer | rest])
  end

  defp next({:put_limit, options}, actor, state) do
    state = closed(state, hd(state.actors[actor]))
    account = {:account, state.next}
    limit = elem(@limits, 0)

    state
    |> numbered()
    |> top(actor, &%{&1 | account: account, limit: limit, pool?: :pool in options})
  end

  defp next(:delete_limit, actor, state) do
    state = closed(state, hd(state.actors[actor]))
    top(state, actor, &%{&1 | account: nil, limit: nil, pool?: false})
  end

  defp next({:attach, number}, actor, state),
    do: state |> numbered() |> top(actor, &%{&1 | helpers: [number | &1.helpers]})

  defp next({:parser, number}, actor, state) do
    parser = %{fed: 0, accounts: accounts(state, actor)}
    state |> numbered() |> top(actor, &put_in(&1.parsers[number], parser))
  end

  defp next({:feed, owner, number}, _actor, state),
    do: parser(state, owner, number, &%{&1 | fed: &1.fed + 1})

  # Fed to the end, whatever comes then: nothing is charged any more.
  defp next({:finish, owner, number}, _actor, state),
    do: parser(state, owner, number, &%{&1 | fed: :closed})

  defp next(:kill_all, actor, state) do
    state = Enum.reduce(state.actors[actor], state, &closed(&2, &1))
    put_in(state.actors[actor], [%Frame{}])
  end

  defp next(:too_much, _actor, state), do: state

  defp expected({:leave, :raise}, _state, _actor), do: {:raised, "as asked for"}
  defp expected({:leave, :kill}, _state, _actor), do: :killed
  defp expected({:leave, _}, _state, _actor), do: :returned
  defp expected(:too_much, _state, _actor), do: {:refused, :native}
  defp expected({:attach, _}, _state, _actor), do: true
  defp expected({:finish, _, _}, _state, _actor), do: :truncated
  defp expected(_request, _state, _actor), do: :ok

  defp numbered(state), do: %{state | next: state.next + 1}
  defp push(state, actor, frame), do: update_in(state.actors[actor], &[frame | &1])

  defp top(state, actor, fun),
    do: update_in(state.actors[actor], fn [frame | rest] -> [fun.(frame) | rest] end)

  defp parser(state, owner, number, fun) do
    update_in(state.actors[owner], fn stack ->
      for frame <- stack do
        if frame.parsers[number], do: update_in(frame.parsers[number], fun), else: frame
      end
    end)
  end

  # The accounts that what an actor allocates now is charged to.
  defp accounts(state, actor),
    do: for(%{account: account} <- state.actors[actor], account, do: account)

  defp charged(state, actor, size), do: %{bytes: size, accounts: accounts(state, actor)}

  # A pool keeps what outlives a limit that it admitted.
  defp closed(state, %{pool?: true} = frame),
    do: update_in(state.closed_in_pool, &MapSet.put(&1, frame.account))

  defp closed(state, _frame), do: state

  ## What the model says is charged, and what is

  defp expected_figures(state) do
    frames = for {_, stack} <- state.actors, frame <- stack, do: frame
    charges = Enum.flat_map(frames, &charges/1)

    %{
      reserved:
        for {actor, stack} <- state.actors, into: %{} do
          [top | _] = stack
          accounts = accounts(state, actor)

          # Without a limit of its own a process charges the innermost one around it: there is none around the outermost.
          reserved = if accounts != [], do: sum(charges, &(hd(accounts) in &1))
          {actor, {reserved, top.binaries |> Map.keys() |> Enum.sort()}}
        end,
      quotas: Enum.count(frames, & &1.account),
      helpers: frames |> Enum.flat_map(& &1.helpers) |> Enum.sort(),
      pool: pool(state, charges)
    }
  end

  defp charges(frame) do
    overhead = Process.get({__MODULE__, :overhead})
    binaries = for {_, binary} <- frame.binaries, do: {binary.bytes + overhead, binary.accounts}

    parsers =
      for {_, %{fed: fed} = parser} <- frame.parsers,
          fed != :closed,
          do: {Process.get({__MODULE__, :parser, fed}), parser.accounts}

    binaries ++ parsers
  end

  defp sum(charges, among?),
    do: for({bytes, accounts} <- charges, among?.(accounts), do: bytes) |> Enum.sum()

  # Limits of the outermost quota that the pool admitted, and what outlived one.
  defp pool(state, charges) do
    promised =
      for {_, stack} <- state.actors, %{pool?: true} = frame <- stack, do: charge(frame.limit)

    outlived = sum(charges, fn accounts -> Enum.any?(accounts, &(&1 in state.closed_in_pool)) end)
    %{reserved: Enum.sum(promised) + outlived, running: length(promised), orphaned: outlived}
  end

  defp charge(limit),
    do: Quota.Pool.Overshoot.charge(limit, Quota.Pool.Overshoot.percent())

  defp figures do
    world = Process.get(__MODULE__)
    # The test's own reference would keep a parser alive that its process has lost.
    parsers = Map.filter(world.parsers, fn {_, {owner, _}} -> Process.alive?(owner) end)
    Process.put(__MODULE__, %{world | parsers: parsers})
    figures(%{world | parsers: nil})
  end

  defp figures(world) do
    pids = world.actors |> Map.values() |> Enum.concat()
    # Garbage may be the last reference to a parser.
    for pid <- [self() | pids], do: :erlang.garbage_collect(pid)

    %{
      reserved:
        for {actor, stack} <- world.actors, into: %{} do
          {reserved, held} = Actor.ask(stack, :reserved)
          {actor, {reserved, Enum.sort(held)}}
        end,
      quotas: Enum.count(Quota.list(), &(&1.pid in pids)),
      helpers:
        for({number, pid} <- world.helpers, Process.alive?(pid), do: number) |> Enum.sort(),
      pool: Quota.Pool.info(__MODULE__) |> Map.take([:reserved, :running, :orphaned])
    }
  end

  ## What is done

  @doc "Starts the actors, and learns what a binary costs beside its bytes and a parser by what it was fed."
  def setup do
    Process.put(__MODULE__, %{
      actors: Map.new(@actors, &{&1, Actor.start()}),
      parsers: %{},
      helpers: %{}
    })

    unless Process.get({__MODULE__, :overhead}), do: learn()
  end

  defp learn do
    stack = Actor.enter(Actor.start(), @mib * 16, [])
    :ok = Actor.ask(stack, {:copy, 0, 600_000})
    {bytes, _} = Actor.ask(stack, :reserved)
    Process.put({__MODULE__, :overhead}, bytes - 600_000)
    parser = Actor.ask(stack, {:parser, 0})

    for fed <- 0..@feeds do
      {now, _} = Actor.ask(stack, :reserved)
      Process.put({__MODULE__, :parser, fed}, now - bytes)
      :ok = Actor.ask(stack, {:feed, parser, @text})
    end

    Actor.kill(stack)
  end

  @doc "Ends all that `setup/0` and the commands started."
  def teardown do
    kill_all(Process.delete(__MODULE__))

    eventually(
      fn ->
        :erlang.garbage_collect()
        assert %{reserved: 0, running: 0, orphaned: 0} = Quota.Pool.info(__MODULE__)
        assert Quota.list() == []
      end,
      10_000
    )

    :ok
  rescue
    error in ExUnit.AssertionError -> {:left, error}
  end

  # A function of its own: its frame would keep parsers from being collected.
  defp kill_all(world) do
    for {_, stack} <- world.actors, do: Actor.kill(stack)
    for {_, pid} <- world.helpers, do: Process.exit(pid, :kill)
    :ok
  end

  def perform(actor, request) do
    world = Process.get(__MODULE__)

    {result, world} =
      try do
        perform(request, actor, world.actors[actor], world)
      rescue
        error -> {{:raised, error}, world}
      end

    Process.put(__MODULE__, world)
    result
  end

  defp perform({:enter, limit, options}, actor, stack, world),
    do: {:ok, put_in(world.actors[actor], Actor.enter(stack, limit, options(options)))}

  defp perform({:leave, how}, actor, stack, world) do
    {stack, outcome} = Actor.leave(stack, how)
    {outcome, put_in(world.actors[actor], stack)}
  end

  defp perform({:put_limit, options}, _actor, stack, world),
    do: {Actor.ask(stack, {:put_limit, elem(@limits, 0), options(options)}), world}

  defp perform({:attach, number}, _actor, stack, world) do
    pid = spawn(fn -> Process.sleep(:infinity) end)
    {Actor.ask(stack, {:attach, pid}), put_in(world.helpers[number], pid)}
  end

  defp perform({:parser, number}, _actor, stack, world) do
    %Parser{} = parser = Actor.ask(stack, {:parser, number})
    {:ok, put_in(world.parsers[number], {hd(stack), parser})}
  end

  defp perform({:feed, _owner, number}, _actor, stack, world),
    do: {Actor.ask(stack, {:feed, elem(world.parsers[number], 1), @text}), world}

  defp perform({:finish, _owner, number}, _actor, stack, world),
    do: {Actor.ask(stack, {:finish, elem(world.parsers[number], 1)}), world}

  defp perform(:too_much, _actor, stack, world),
    do: {Actor.ask(stack, {:too_much, 128 * @mib}), world}

  defp perform(:kill_all, actor, stack, world) do
    Actor.kill(stack)
    {:ok, put_in(world.actors[actor], Actor.start())}
  end

  defp perform(request, _actor, stack, world), do: {Actor.ask(stack, request), world}

  defp options(options) do
    Enum.map(options, fn
      :pool -> {:pool, __MODULE__}
      :children -> {:count, [:children]}
    end)
  end
end
