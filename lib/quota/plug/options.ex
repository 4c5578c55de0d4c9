defmodule Quota.Plug.Options do
  @moduledoc false
  # Validates the options of `Quota.Plug` when the pipeline is built, and applies them to a conn.

  alias Quota.Options

  @own [status: 503, retry_after: 1]
  @known [:to, :limit, :limits | Keyword.keys(@own)]
  # Other methods share a label, so that clients cannot create labels.
  @methods ~w(GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE)
  # Any valid limit, for validation: the limit of a function is known only with the conn.
  @some_limit 1_048_576

  defstruct plug: nil,
            plug_options: nil,
            name: "*",
            limits: nil,
            status: 503,
            retry_after: 1,
            run: []

  @doc "The options of the plug."
  def new(opts) do
    Options.keyword!(opts)
    {to, opts} = Keyword.pop(opts, :to)
    {limit, opts} = Keyword.pop(opts, :limit)
    {limits, opts} = Keyword.pop(opts, :limits)
    {plug, plug_options} = plug!(to)
    base = %__MODULE__{plug: plug, plug_options: plug_options, name: name(plug)}
    options = merge!(base, opts, if(is_integer(limit), do: limit, else: @some_limit))
    %{options | limits: limits!(limit, limits, options)}
  end

  @doc "The options of `Quota.Plug.run/4`."
  def merge!(base, [], _limit), do: base

  def merge!(%__MODULE__{} = base, opts, limit) do
    Options.keyword!(opts)
    {own, run} = Keyword.split(opts, Keyword.keys(@own))
    Enum.each(own, &own!/1)
    run = Keyword.merge(base.run, run)
    known!(run)
    check!(limit, run)
    struct!(%{base | run: run}, own)
  end

  # `Quota.run/3` checks them again, with the limit of the request.
  defp check!(limit, run) do
    label = if is_function(run[:label], 1), do: nil, else: run[:label]
    Options.validate!(limit, fn -> nil end, Keyword.put(run, :label, label))
  end

  defp known!(run) do
    # A conn belongs to a process of this node.
    known = Map.keys(%Options{}) -- [:__struct__, :node, :retry]

    case Keyword.keys(run) -- known do
      [] ->
        :ok

      unknown ->
        raise ArgumentError,
              "unknown options #{inspect(Enum.uniq(unknown))}, the options are: " <>
                inspect(Enum.sort(@known ++ known), limit: :infinity)
    end
  end

  defp plug!(plug) when is_atom(plug) and plug not in [nil, true, false],
    do: {plug, plug.init([])}

  defp plug!({plug, options}) when is_atom(plug), do: {plug, plug.init(options)}
  defp plug!(plug) when is_function(plug, 1), do: {plug, nil}

  defp plug!(other) do
    raise ArgumentError,
          ":to must be a plug: a module, {module, options} or a function that takes a conn, got: #{inspect(other)}"
  end

  defp name(plug) when is_atom(plug), do: inspect(plug)
  defp name(_fun), do: "*"

  defp own!({:status, status}) when is_integer(status) and status in 400..599, do: :ok

  defp own!({:status, status}),
    do: raise(ArgumentError, ":status must be from 400 to 599, got: #{inspect(status)}")

  defp own!({:retry_after, seconds}) when is_integer(seconds) and seconds >= 0, do: :ok

  defp own!({:retry_after, seconds}),
    do:
      raise(
        ArgumentError,
        ":retry_after must be a number of seconds from 0, got: #{inspect(seconds)}"
      )

  defp limits!(limit, nil, options) when is_integer(limit) do
    check!(limit, options.run)
    {limit, options}
  end

  defp limits!(limit, nil, _options) when is_function(limit, 1), do: limit

  defp limits!(nil, [_ | _] = limits, options) do
    limits
    |> Enum.map(&route!(&1, options))
    |> Enum.sort_by(fn {segments, _, _, _} -> -length(segments) end)
  end

  defp limits!(limit, limits, _options) do
    raise ArgumentError,
          "Quota.Plug takes either limit:, bytes or a function of the conn, or limits:, a list of {prefix, bytes}, " <>
            "got limit: #{inspect(limit)}, limits: #{inspect(limits)}"
  end

  defp route!({prefix, limit}, options), do: route!({prefix, limit, []}, options)

  defp route!({"/" <> _ = prefix, limit, opts}, options) when is_integer(limit) do
    check!(limit, options.run)
    {segments(prefix), prefix, limit, merge!(options, opts, limit)}
  end

  defp route!(other, _options) do
    raise ArgumentError,
          ~s(an element of :limits must be {"/prefix", bytes} or {"/prefix", bytes, options}, got: #{inspect(other)})
  end

  defp segments(path),
    do: for(segment <- :binary.split(path, "/", [:global]), segment != "", do: segment)

  @doc "Returns `{limit, options}` for a conn, or nil if it has no limit. The options have a label."
  def for_conn(conn, %__MODULE__{limits: {limit, options}}),
    do: {limit, labelled(options, conn, nil)}

  def for_conn(conn, %__MODULE__{limits: limits}) when is_list(limits) do
    path = Enum.map(conn.path_info, &decode/1)

    with {_, prefix, limit, options} <-
           Enum.find(limits, fn {segments, _, _, _} -> List.starts_with?(path, segments) end),
         do: {limit, labelled(options, conn, prefix)}
  end

  def for_conn(conn, %__MODULE__{limits: fun} = options) do
    case fun.(conn) do
      nil -> nil
      {limit, opts} -> {limit, labelled(merge!(options, opts, limit), conn, nil)}
      limit -> {limit, labelled(options, conn, nil)}
    end
  end

  # As routers do: `/%75pload` is `/upload`.
  defp decode(segment) do
    URI.decode(segment)
  rescue
    ArgumentError -> segment
  end

  @doc "Adds a label to the options, by default the method and the route."
  def labelled(%__MODULE__{run: run} = options, conn, prefix) do
    case Keyword.fetch(run, :label) do
      {:ok, fun} when is_function(fun, 1) ->
        %{options | run: [label: fun.(conn)] ++ Keyword.delete(run, :label)}

      {:ok, _} ->
        options

      :error ->
        %{options | run: [{:label, "#{method(conn)} #{route(conn, prefix, options)}"} | run]}
    end
  end

  defp method(%{method: method}) when method in @methods, do: method
  defp method(_), do: "OTHER"

  # Never the path: it has the values of the route's variables, and clients can send any number of paths.
  defp route(%{private: %{plug_route: {route, _}}}, _prefix, _options), do: route

  defp route(%{private: %{phoenix_controller: controller, phoenix_action: action}}, _, _),
    do: "#{inspect(controller)}.#{action}"

  defp route(_conn, prefix, _options) when is_binary(prefix), do: prefix
  defp route(_conn, _prefix, %{name: name}), do: name
end
