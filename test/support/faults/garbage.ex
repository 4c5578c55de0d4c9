defmodule Bounded.Test.Garbage do
  @moduledoc false
  # Calls every NIF with what its Elixir module would never give it. For a VM of its own: what the calls leave behind
  # (paused pools, processes in closed accounts) affects no other test.

  @dialyzer :no_improper_lists

  import Bitwise

  alias Bounded.Native

  # The number of calls that share their resources.
  @round 200

  # Not about one argument: they replace a part of the library as a whole, or have its memory refused.
  @once [:orphan_monitor_enter, :watchers_register, :refuse_reservation]

  @doc """
  Calls NIFs at random for `milliseconds`; each call is written to the file `log` before it is made. Returns how many
  calls `{answered, raised}`, by name.
  """
  def call(seed, milliseconds, log) do
    Logger.configure(level: :none)
    deadline = System.monotonic_time(:millisecond) + milliseconds
    rounds(seed, deadline, log, %{})
  end

  @doc "The NIFs that are called."
  def names, do: for({name, _} <- functions(), do: name)

  defp functions do
    Enum.reject(Native.__info__(:functions), fn {name, _} -> name in [:load | @once] end)
  end

  defp rounds(seed, deadline, log, counts) do
    if System.monotonic_time(:millisecond) > deadline do
      counts
    else
      {:ok, round} = in_process(fn -> round(seed, log) end)
      rounds(seed + 1, deadline, log, Map.merge(counts, round, fn _, a, b -> sum(a, b) end))
    end
  end

  # The calling process may end up in an account: a process of its own.
  defp in_process(fun) do
    {pid, ref} = spawn_monitor(fn -> exit({:ok, fun.()}) end)
    receive do: ({:DOWN, ^ref, _, ^pid, reason} -> reason)
  end

  defp round(seed, log) do
    :rand.seed(:exsss, {seed, 1, 1})
    garbage = List.to_tuple(terms() ++ resources())
    functions = functions()
    # A raw file belongs to the process that opened it.
    {:ok, log} = :file.open(log, [:raw, :write])

    Enum.reduce(1..@round, %{}, fn _, counts ->
      {name, arity} = Enum.random(functions)
      arguments = for _ <- 1..arity//1, do: pick(garbage)
      result = try_call(name, arguments, log)
      Map.update(counts, name, result, &sum(&1, result))
    end)
  end

  defp sum({a, b}, {c, d}), do: {a + c, b + d}

  defp pick(garbage), do: elem(garbage, :rand.uniform(tuple_size(garbage)) - 1)

  defp try_call(name, arguments, log) do
    shown = inspect(arguments, limit: 8, printable_limit: 30, width: :infinity)
    line = String.pad_trailing("#{name} #{String.slice(shown, 0, 500)}", 600)
    :ok = :file.pwrite(log, 0, line)

    try do
      apply(Native, name, arguments)
      {1, 0}
    rescue
      # A panic is a fault: the NIF used an argument without a check.
      error -> if match?(%{original: :nif_panicked}, error), do: raise(line), else: {0, 1}
    end
  end

  defp terms do
    numbers() ++ binaries() ++ lists() ++ tuples() ++ words() ++ setups() ++ selections()
  end

  defp numbers do
    powers = for n <- [31, 32, 59, 60, 62, 63, 64, 5_000], do: 1 <<< n

    near =
      Enum.flat_map([0, 64, 1_024, 262_144, 524_288, 1_048_576 | powers], &[&1 - 1, &1, &1 + 1])

    near ++ Enum.map(powers, &-/1) ++ [1.5, -0.0]
  end

  defp binaries do
    big = :binary.copy("x", 1_000_000)
    <<_::3, unaligned::binary-size(400_000), _::bits>> = big
    document = "<a><b c='1'>x</b></a>"
    term = :erlang.term_to_binary({1, [2.5, "x"], %{a: self()}})

    ["/proc/meminfo", "/proc/kmsg", "/dev/zero", "meminfo", "a\0/meminfo"] ++
      [
        <<131>>,
        <<131, ?l, 0xFFFFFFFF::32>>,
        <<131, ?m, 0xFFFFFFFF::32>>,
        <<131, 80, 0::32>>,
        term
      ] ++
      ["", "abc", <<255>>, big, unaligned, binary_part(big, 5, 300_000), document] ++
      [<<1::1>>, <<big::binary, 1::3>>, :binary.copy("a", 65), :binary.copy("a", 300_000)]
  end

  defp lists do
    deep = Enum.reduce(1..100_000, [], fn _, list -> [list] end)

    [[], [1 | 2], deep, Enum.to_list(1..2_000), [heap_block_size: 1], [heap_block_size: -1]] ++
      [[{0, 1}], [{0, 100}, {900_000, 100}], [{5, -3}], [{0, 1} | :x], [{100, 100}]] ++
      [[{1 <<< 70, 1}], [{-1, 1}], [{0, 1 <<< 62}], [{1.5, 1}], List.duplicate({0, 1}, 2_000)]
  end

  defp tuples do
    most = (1 <<< 64) - 1

    [{}, {1}, {1, 2}, {1, 1, 0}, {0, 0, 0}, {1 <<< 63, 1, 0}, {1, most, most}] ++
      [{false, false, false}, {true, true, true}, {{"n", [], []}, []}, Tuple.duplicate(0, 1_000)]
  end

  defp words do
    dead = in_process(fn -> self() end) |> elem(1)

    [:a, nil, true, false, :ok, :gc_minor_end, :gc_max_heap_size, :spawn, :trace_status] ++
      [%{}, %{1 => 2}, Map.new(1..1_000, &{&1, &1}), %{extra: {Quota.Watch.Guard, :watch, []}}] ++
      [self(), dead, hd(Port.list()), make_ref(), fn -> 1 end, &Native.node_usage/0]
  end

  # Valid first arguments of `xml_open`, and broken ones.
  defp setups do
    options = BoundedXml.Options.validate!([], :stream)

    limits = for value <- [0, 1, (1 <<< 64) - 1], do: Map.merge(options, limits(value))

    broken =
      for {name, value} <- [
            encoding: <<255>>,
            emit: [:cdata | :comments],
            emit: List.duplicate(:cdata, 100_000),
            recover: :all,
            doctype: :none,
            max_bytes: :none
          ],
          do: Map.put(options, name, value)

    for(selection <- [nil, [1 | 2] | selections()], do: {options, selection}) ++
      for(broken <- [%{}, Map.delete(options, :max_depth) | broken], do: {broken, nil}) ++
      for(limited <- limits, selection <- [nil | selections()], do: {limited, selection})
  end

  defp selections do
    any = {true, nil, nil, []}
    condition = fn comparison, value -> {true, nil, nil, [{"", "a", comparison, value}]} end

    for label <- [nil, :a, {"a"}],
        steps <- [
          [any],
          [{false, "u", "x", []}],
          List.duplicate(any, 64),
          [any | 1],
          [condition.(nil, nil)],
          [condition.(true, "x")],
          [condition.(true, nil)]
        ],
        {output, extras} <- Enum.zip(outputs(any), Stream.cycle(extras())),
        do: {[{label, steps, output}], extras}
  end

  # What is told besides records, and what cannot be.
  defp extras,
    do: [{true, false, false}, {true, true, true}, {false, false, false}, true, {1, 2, 3}]

  # What is made of an element that is selected.
  defp outputs(step) do
    attribute = {:attribute, {"", "c"}}

    nested =
      Enum.reduce(1..20, [], fn _, fields -> [{:f, true, nil, [step], {:records, fields}}] end)

    fields = [
      {:a, false, "a", [], :text},
      {:b, true, nil, [step], :text},
      {:r, true, nil, [step], :raw},
      {:c, false, nil, [], attribute},
      {:d, false, nil, [step], {:around, {"", "c"}}},
      {:e, true, nil, [step], {:records, [{:a, false, nil, [], :text}]}}
    ]

    wrong = [
      {"a", false, nil, [], :text},
      {:a, false, nil, [], {:records, []}},
      {:a, false, nil, :x, :text}
    ]

    [
      :tree,
      :raw,
      :other,
      attribute,
      {:fields, fields},
      {:fields, fields ++ fields},
      {:fields, [:a | 1]},
      {:other, []}
    ] ++
      [{:fields, nested}] ++ for(field <- wrong, do: {:fields, [field]})
  end

  defp limits(value), do: Map.new(BoundedXml.Limits.defaults(), fn {name, _} -> {name, value} end)

  defp resources do
    account = Native.account_new(self(), 1_000_000, nil, nil)
    closed = Native.account_new(self(), 1_000, nil, nil)
    Native.account_close(closed)
    {:ok, filling} = Native.binary_new(1_000)
    {:ok, finished} = Native.binary_new(10)
    Native.binary_finish(finished)
    pool = Native.pool_new(1_000_000)

    kept = [account, closed, Native.account_child(account), filling, finished, pool]
    kept = kept ++ parsers() ++ kernel_files()
    # Copies that a table made of them, and what other libraries call a resource or a reference.
    table = :ets.new(:garbage, [])
    :ets.insert(table, List.to_tuple([1 | kept]))
    copied = :ets.lookup_element(table, 1, 2)
    others = [:counters.new(1, []), :atomics.new(1, []), :zlib.open(), table]
    [copied | kept] ++ others
  end

  # Linux alone has one.
  defp kernel_files do
    with {:ok, file} <- Native.kernel_file_open("/proc/meminfo"),
         {:ok, watch} <- Native.usage_watch_start(file),
         do: [file, watch],
         else: (_ -> [])
  end

  # Looks into a parser, which is opaque.
  @dialyzer {:nowarn_function, parsers: 0}
  defp parsers do
    for document <- ["", "<a><b>", "<a/>"] do
      {:ok, parser} = BoundedXml.Parser.new()
      BoundedXml.Parser.feed(parser, document)
      if document == "<a/>", do: BoundedXml.Parser.finish(parser)
      parser.ref
    end
  end
end
